package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** How chunks are compressed in {@link Mode#CONVERT}. */
public enum Compression {
    /** Zstandard. */
    ZSTD("zstd"),

    /** LZ4 blocks. */
    LZ4("lz4"),

    /** Chunks are stored as they are. */
    NONE("none");

    private final String word;

    Compression(String word) {
        this.word = word;
    }

    /** The word that stands in YAML. */
    @JsonValue
    public String word() {
        return word;
    }

    @Override
    public String toString() {
        return word;
    }
}
