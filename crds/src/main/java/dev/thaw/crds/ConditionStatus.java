package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** The three values of a condition. */
public enum ConditionStatus {
    /** It holds. */
    TRUE("True"),

    /** It does not hold. */
    FALSE("False"),

    /** It cannot be said. */
    UNKNOWN("Unknown");

    private final String word;

    ConditionStatus(String word) {
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
