package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** How far a node is with an image. */
public enum NodePhase {
    /** The node has not heard of the image yet. */
    PENDING("Pending"),

    /** The file tree is being fetched. */
    FETCHING("Fetching"),

    /** A container can start from it. */
    READY("Ready"),

    /** What earlier starts read is there. */
    WARM("Warm"),

    /** All of it is there; no registry is needed any more. */
    COMPLETE("Complete"),

    /** It cannot be served there; the report says why. */
    FAILED("Failed");

    private final String word;

    NodePhase(String word) {
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
