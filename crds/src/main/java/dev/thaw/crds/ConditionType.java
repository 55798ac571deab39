package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** Conditions of both resources, in the order in which they are listed: {@link #READY} is always first. */
public enum ConditionType {
    /** The resource does what it is for. */
    READY("Ready"),

    /** The source's digest is known. */
    RESOLVED("Resolved"),

    /** A lazy image of that digest is published. */
    CONVERTED("Converted"),

    /** The published tree equals the source. */
    VERIFIED("Verified"),

    /** The nodes chosen for the warm-up hold what was asked for. */
    WARM("Warm"),

    /** Cold starts stay within the objective. */
    SLO_MET("SLOMet"),

    /** A change is being rolled out. */
    PROGRESSING("Progressing"),

    /** Something needs a person, though the resource may still be ready. */
    DEGRADED("Degraded");

    private final String word;

    ConditionType(String word) {
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
