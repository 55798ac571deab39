package dev.thaw.operator.image;

import java.time.Duration;

/** When to try again what may succeed by itself. */
final class Retries {
    private static final Duration FIRST = Duration.ofSeconds(10);
    private static final Duration LONGEST = Duration.ofMinutes(5);
    private static final Duration BEYOND_LIMIT = Duration.ofHours(1);

    private Retries() {}

    /**
     * The pause after a failure: ten seconds, doubled each time up to five minutes. Beyond the limit one hour, so that a
     * long outage ends by itself, and a lasting fault costs little.
     *
     * @param failures how many there were, at least one
     * @param limit how many repetitions are wanted
     */
    static Duration pause(int failures, int limit) {
        return failures > limit ? BEYOND_LIMIT : pause(failures);
    }

    /** The same without a limit. */
    static Duration pause(int failures) {
        int doublings = Math.clamp(failures - 1L, 0, 10);
        var pause = FIRST.multipliedBy(1L << doublings);
        return pause.compareTo(LONGEST) < 0 ? pause : LONGEST;
    }
}
