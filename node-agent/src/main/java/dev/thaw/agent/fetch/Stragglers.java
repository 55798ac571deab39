package dev.thaw.agent.fetch;

import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Says from when on a request is a straggler, whose bytes are then asked for a second time on another way: once it has been
 * silent for longer than nearly all others were before their first byte. What that costs is bounded: of ten requests at
 * most one is doubled, after a handful for the beginning.
 */
final class Stragglers {
    private static final int REMEMBERED = 128;
    private static final int ENOUGH = 16;
    private static final double QUANTILE = 0.95;
    /** A quantile of many equal times says little about the next one. */
    private static final int FACTOR = 2;

    private static final double EARNED_BY_REQUEST = 0.1;
    private static final double MOST_SAVED = 5;

    private final long leastNanos;
    private final long mostNanos;
    private final ReentrantLock lock = new ReentrantLock();
    private final long[] silences = new long[REMEMBERED];
    private int seen;
    private double saved = MOST_SAVED;
    private volatile long patienceNanos;

    /**
     * @param least no request is a straggler before this, however fast the others are
     * @param most after this every request is one; also what holds until enough have been seen
     */
    Stragglers(Duration least, Duration most) {
        leastNanos = least.toNanos();
        mostNanos = most.toNanos();
        patienceNanos = mostNanos;
    }

    /** A request has got its first byte after this long. */
    void answered(long silentNanos) {
        lock.lock();
        try {
            silences[seen++ % REMEMBERED] = silentNanos;
            saved = Math.min(MOST_SAVED, saved + EARNED_BY_REQUEST);
            if (seen >= ENOUGH) {
                var sorted = Arrays.copyOf(silences, Math.min(seen, REMEMBERED));
                Arrays.sort(sorted);
                long quantile = sorted[(int) (QUANTILE * (sorted.length - 1))];
                patienceNanos = Math.clamp(FACTOR * quantile, leastNanos, mostNanos);
            }
        } finally {
            lock.unlock();
        }
    }

    /** How long a request may be silent. */
    long patienceNanos() {
        return patienceNanos;
    }

    /** Takes leave to double one request. */
    boolean mayDouble() {
        lock.lock();
        try {
            if (saved < 1) {
                return false;
            }
            saved--;
            return true;
        } finally {
            lock.unlock();
        }
    }
}
