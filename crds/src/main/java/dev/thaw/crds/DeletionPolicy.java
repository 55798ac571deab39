package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** What becomes of the published image when its LazyImage is deleted. */
public enum DeletionPolicy {
    /** It stays in the registry. */
    RETAIN("Retain"),

    /** Its manifests and tag are removed from the registry. */
    DELETE("Delete");

    private final String word;

    DeletionPolicy(String word) {
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
