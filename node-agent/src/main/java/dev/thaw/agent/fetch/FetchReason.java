package dev.thaw.agent.fetch;

import java.util.Locale;

/** Why something is fetched; the order is that of urgency. */
public enum FetchReason {
    /** A read waits for it. */
    DEMAND,
    /** A read is expected: a sequential reader, or prefetch. */
    AHEAD,
    /** To have the whole image. */
    BACKGROUND;

    String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
