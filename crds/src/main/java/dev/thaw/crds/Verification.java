package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** How a published image is compared with its source. */
public enum Verification {
    /** Every entry, attribute and byte. */
    FULL("Full"),

    /** Not at all. */
    OFF("Off");

    private final String word;

    Verification(String word) {
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
