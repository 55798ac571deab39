package dev.thaw.agent.fetch;

import java.util.concurrent.locks.ReentrantLock;

/**
 * Finds sequential readers among the reads of one blob and says how far to fetch ahead of each. A reader that moves on to the
 * next chunk doubles its window, up to the size of one request; one that jumps begins anew.
 */
final class ReadPattern {
    private static final int READERS = 8;

    private final ReentrantLock lock = new ReentrantLock();
    private final int[] next = new int[READERS];
    private final int[] fetchedUntil = new int[READERS];
    private final int[] window = new int[READERS];
    private final int widest;
    private int oldest;

    /** @param widest chunks in the largest window */
    ReadPattern(int widest) {
        this.widest = Math.max(1, widest);
        java.util.Arrays.fill(next, -1);
    }

    /** Chunks to fetch ahead; none when {@code from > to}. */
    record Ahead(int from, int to) {
        static final Ahead NOTHING = new Ahead(0, -1);

        boolean isEmpty() {
            return from > to;
        }
    }

    /** A read of the chunks {@code first} to {@code last} has come. */
    Ahead observe(int first, int last) {
        lock.lock();
        try {
            for (int reader = 0; reader < READERS; reader++) {
                if (next[reader] >= 0 && (first == next[reader] || first == next[reader] - 1)) {
                    return last < next[reader] ? Ahead.NOTHING : advance(reader, last);
                }
            }
            next[oldest] = last + 1;
            fetchedUntil[oldest] = last;
            window[oldest] = 0;
            oldest = (oldest + 1) % READERS;
            return Ahead.NOTHING;
        } finally {
            lock.unlock();
        }
    }

    private Ahead advance(int reader, int last) {
        next[reader] = last + 1;
        window[reader] = Math.min(widest, Math.max(1, window[reader] * 2));
        int done = Math.max(fetchedUntil[reader], last);
        // Half a window at a time: many small requests would cost a round trip each.
        if (done - last > window[reader] / 2) {
            return Ahead.NOTHING;
        }
        fetchedUntil[reader] = last + window[reader];
        return new Ahead(done + 1, fetchedUntil[reader]);
    }
}
