package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** What a read gets when nothing has answered within the read timeout. */
public enum OnFailure {
    /** It goes on waiting. */
    BLOCK("Block"),

    /** An I/O error. */
    ERROR("Error");

    private final String word;

    OnFailure(String word) {
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
