package dev.thaw.agent.snapshot;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;

/** What the snapshot service tells: how often containerd asked what, how it ended, how long it took. */
final class SnapshotMetrics {
    /** How a call ended. */
    enum Result {
        OK,
        /** A prepare that ended in a claim: what was offered is not downloaded. */
        CLAIMED,
        NOT_FOUND,
        ALREADY_EXISTS,
        FAILED_PRECONDITION,
        INVALID_ARGUMENT,
        /** The node's disk is full. */
        RESOURCE_EXHAUSTED,
        /** An image could not be read or mounted; it may be, later. */
        UNAVAILABLE,
        INTERNAL;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final Map<Operation, Map<Result, Timer>> timers = new EnumMap<>(Operation.class);

    SnapshotMetrics(MeterRegistry registry) {
        for (var operation : Operation.values()) {
            var results = new EnumMap<Result, Timer>(Result.class);
            for (var result : Result.values()) {
                if (result != Result.CLAIMED || operation == Operation.PREPARE) {
                    results.put(
                            result,
                            Timer.builder("thaw.snapshot.operation")
                                    .description("Calls of containerd to the snapshotter, by how they ended")
                                    .tag("operation", operation.label())
                                    .tag("result", result.label())
                                    .register(registry));
                }
            }
            timers.put(operation, results);
        }
    }

    void ended(Operation operation, Result result, Duration took) {
        var timer = timers.getOrDefault(operation, Map.of()).get(result);
        if (timer != null) {
            timer.record(took);
        }
    }
}
