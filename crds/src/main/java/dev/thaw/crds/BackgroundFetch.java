package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** When the rest of an image is filled in. */
public enum BackgroundFetch {
    /** From the first mount on. */
    ALWAYS("Always"),

    /** Once the first container of the image runs and its own reads have calmed down. */
    AFTER_READY("AfterReady"),

    /** Only what is read, or fetched ahead, is ever stored. */
    NEVER("Never");

    private final String word;

    BackgroundFetch(String word) {
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
