package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** What is fetched ahead of the reads. */
public enum PrefetchPolicy {
    /** What the first starts read, in their order, and the listed paths. */
    LEARN("Learn"),

    /** The listed paths, and the entrypoint with its libraries. */
    PATHS("Paths"),

    /** Nothing. */
    OFF("Off");

    private final String word;

    PrefetchPolicy(String word) {
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
