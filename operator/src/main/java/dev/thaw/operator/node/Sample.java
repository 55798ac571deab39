package dev.thaw.operator.node;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * One measured cold start.
 *
 * @param container containerd's id of the container; empty for a sample that was rebuilt from a status
 * @param node where it happened
 * @param began begin of the pull, or of the mount where nothing was pulled
 * @param entrypoint from there to the start of the process
 * @param ready from there to the pod's Ready condition, once that is known
 * @param demandBytes bytes that a read waited for
 * @param aheadBytes bytes fetched ahead of the reads
 * @param touchedBytes bytes that the process read until then, uncompressed
 * @param imageBytes bytes of the image, uncompressed; 0 when unknown
 */
record Sample(
        String container,
        String node,
        Instant began,
        Duration entrypoint,
        Optional<Duration> ready,
        long demandBytes,
        long aheadBytes,
        long touchedBytes,
        long imageBytes) {
    /** From an agent's report to its being heard, at most. */
    private static final Duration REPORT_DELAY = Duration.ofSeconds(2);

    Sample withReady(Duration time) {
        return new Sample(
                container,
                node,
                began,
                entrypoint,
                Optional.of(time),
                demandBytes,
                aheadBytes,
                touchedBytes,
                imageBytes);
    }

    /** Whether what is read now is no part of the start any more. Reports come at growing intervals: the one after Ready counts. */
    boolean isOver(Instant now) {
        return ready.isPresent()
                && now.isAfter(
                        began.plus(ready.get().multipliedBy(3).dividedBy(2)).plus(REPORT_DELAY));
    }

    /** The same start, with the bytes that a later report of it tells. */
    Sample withBytesOf(Sample later) {
        return new Sample(
                container,
                node,
                began,
                entrypoint,
                ready,
                later.demandBytes,
                later.aheadBytes,
                later.touchedBytes,
                later.imageBytes);
    }
}
