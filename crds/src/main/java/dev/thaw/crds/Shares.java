package dev.thaw.crds;

import org.jspecify.annotations.Nullable;

/** Shares of a whole, as people read them. */
public final class Shares {
    private Shares() {}

    /**
     * The share in whole percent, {@code "63%"}; null when the whole is unknown (not above zero). Only what is complete is
     * {@code "100%"}.
     */
    public static @Nullable String percent(long part, long whole) {
        if (whole <= 0) {
            return null;
        }
        long rounded = Math.round(100.0 * part / whole);
        return (part < whole ? Math.min(rounded, 99) : rounded) + "%";
    }
}
