package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** What happens when a source tag moves. */
public enum ResolvePolicy {
    /** The tag is looked up again and again; a new digest is converted. */
    FOLLOW("Follow"),

    /** The first digest stays. */
    PIN("Pin");

    private final String word;

    ResolvePolicy(String word) {
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
