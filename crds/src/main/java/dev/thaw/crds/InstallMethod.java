package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** How containerd's configuration learns of the snapshotter. */
public enum InstallMethod {
    /** A file in a folder that the configuration imports. */
    DROP_IN("DropIn"),

    /** The configuration file itself is changed, and given back when the agent goes. */
    EDIT("Edit"),

    /** The site does it. */
    NONE("None");

    private final String word;

    InstallMethod(String word) {
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
