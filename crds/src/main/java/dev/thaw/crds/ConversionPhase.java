package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** What a running conversion is doing. */
public enum ConversionPhase {
    /** Layers are read, cut into chunks and pushed. */
    CONVERT("convert"),

    /** Manifests and tag are pushed. */
    PUBLISH("publish"),

    /** The published tree is compared with the source. */
    VERIFY("verify");

    private final String word;

    ConversionPhase(String word) {
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
