package dev.thaw.agent.snapshot;

import java.util.Locale;

/** What containerd can ask. */
enum Operation {
    PREPARE,
    VIEW,
    MOUNTS,
    COMMIT,
    REMOVE,
    STAT,
    UPDATE,
    LIST,
    USAGE,
    CLEANUP;

    String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
