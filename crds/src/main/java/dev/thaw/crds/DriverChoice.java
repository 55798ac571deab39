package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** The mount driver that is wished for. */
public enum DriverChoice {
    /** Erofs where the kernel can, else Fuse. */
    AUTO("Auto"),

    /** EROFS over cache files. */
    EROFS("Erofs"),

    /** A FUSE file system. */
    FUSE("Fuse");

    private final String word;

    DriverChoice(String word) {
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
