package dev.thaw.rafs.gzip;

import java.util.Arrays;

/**
 * Which bytes of a window were referred to from behind it. The others need not be kept: entering the stream there works without
 * them, and of data that does not compress hardly any is.
 */
final class WindowUse {
    private static final int LENGTH_BITS = 9;
    /** A match is three bytes or more, so that no more of them begin within a window's length. */
    private static final int MOST_MATCHES = (DeflateBlocks.WINDOW_BYTES + DeflateBlocks.OVERSHOOT_BYTES) / 3 + 1;

    private final int[] matches = new int[MOST_MATCHES];
    private int count;

    /** @param fromEnd where the match begins, counted from the window's end, so negative */
    void add(int fromEnd, int length) {
        matches[count++] = fromEnd + DeflateBlocks.WINDOW_BYTES << LENGTH_BITS | length;
    }

    void clear() {
        count = 0;
    }

    /** Sets to zero what was not used, and cuts what was not used at the beginning. */
    byte[] used(byte[] window) {
        byte[] kept = new byte[window.length];
        int missing = DeflateBlocks.WINDOW_BYTES - window.length;
        int first = window.length;
        for (int i = 0; i < count; i++) {
            int from = (matches[i] >>> LENGTH_BITS) - missing;
            int length = Math.min(matches[i] & ((1 << LENGTH_BITS) - 1), window.length - from);
            System.arraycopy(window, from, kept, from, length);
            first = Math.min(first, from);
        }
        return first == 0 ? kept : Arrays.copyOfRange(kept, first, kept.length);
    }
}
