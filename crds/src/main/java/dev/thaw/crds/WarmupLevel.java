package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** How much of an image warmed-up nodes hold before its first pod. */
public enum WarmupLevel {
    /** The file tree. */
    METADATA("Metadata"),

    /** The file tree and what earlier starts read. */
    TRACE("Trace"),

    /** Everything. */
    FULL("Full");

    private final String word;

    WarmupLevel(String word) {
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
