package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** How a lazy image holds the files of its source. */
public enum Mode {
    /** The operator chooses. */
    AUTO("Auto"),

    /** Files are copied into compressed chunks of their own. */
    CONVERT("Convert"),

    /** Chunks are ranges of the untouched layers. */
    INDEX("Index");

    private final String word;

    Mode(String word) {
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
