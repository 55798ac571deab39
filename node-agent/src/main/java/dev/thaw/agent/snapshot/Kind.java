package dev.thaw.agent.snapshot;

import java.util.Locale;

/** What a snapshot is: being written, a read-only look at its parent, or a layer that others may stand on. */
public enum Kind {
    VIEW(1),
    ACTIVE(2),
    COMMITTED(3);

    private final int code;

    Kind(int code) {
        this.code = code;
    }

    /** The number in the records and on the wire. */
    int code() {
        return code;
    }

    static Kind of(int code) {
        for (var kind : values()) {
            if (kind.code == code) {
                return kind;
            }
        }
        throw new IllegalArgumentException("no kind of snapshot has the number " + code);
    }

    /** As containerd's filters spell it. */
    String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
