package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** How containerd takes a changed configuration up. */
public enum RestartMethod {
    /** Its unit is restarted. */
    SYSTEMD("Systemd"),

    /** The process is told to end, and its supervisor starts it again. */
    SIGNAL("Signal"),

    /** The site does it. */
    NONE("None");

    private final String word;

    RestartMethod(String word) {
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
