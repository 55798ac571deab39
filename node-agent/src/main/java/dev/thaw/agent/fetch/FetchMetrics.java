package dev.thaw.agent.fetch;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** What fetching tells. Label values come from enums only. */
final class FetchMetrics {
    private record OfReason(Counter bytes, Timer succeeded, Timer failed) {}

    private final Map<FetchReason, OfReason> reasons = new EnumMap<>(FetchReason.class);
    private final Counter hits;
    private final Timer waits;
    private final Counter failures;
    private final Counter corrupt;
    private final Counter doubledInTime;
    private final Counter doubledInVain;

    FetchMetrics(MeterRegistry registry, PriorityGate gate) {
        for (var reason : FetchReason.values()) {
            reasons.put(
                    reason,
                    new OfReason(
                            Counter.builder("thaw.fetch")
                                    .baseUnit("bytes")
                                    .tag("reason", reason.label())
                                    .description("Bytes that came from registries")
                                    .register(registry),
                            requests(registry, reason, "ok"),
                            requests(registry, reason, "failed")));
            Gauge.builder("thaw.fetch.queued", () -> gate.waiting(reason))
                    .tag("reason", reason.label())
                    .description("Requests that wait for their turn")
                    .register(registry);
        }
        hits = Counter.builder("thaw.reads.cached")
                .description("Reads that the cache answered")
                .register(registry);
        waits = Timer.builder("thaw.reads.waited")
                .description("Time of reads that waited for a registry")
                .publishPercentileHistogram()
                .register(registry);
        failures = Counter.builder("thaw.reads.failed")
                .description("Reads that ended in an input/output error")
                .register(registry);
        corrupt = Counter.builder("thaw.fetch.corrupt.chunks")
                .description("Chunks that came with a wrong digest")
                .register(registry);
        doubledInTime = doubled(registry, "second");
        doubledInVain = doubled(registry, "first");
    }

    private static Counter doubled(MeterRegistry registry, String winner) {
        return Counter.builder("thaw.fetch.doubled")
                .tag("winner", winner)
                .description("Requests that were late and were made a second time on another way")
                .register(registry);
    }

    private static Timer requests(MeterRegistry registry, FetchReason reason, String outcome) {
        return Timer.builder("thaw.fetch.requests")
                .tag("reason", reason.label())
                .tag("outcome", outcome)
                .description("Range requests to registries")
                .publishPercentileHistogram()
                .register(registry);
    }

    void request(FetchReason reason, boolean succeeded, long nanos) {
        var meters = of(reason);
        (succeeded ? meters.succeeded : meters.failed).record(nanos, TimeUnit.NANOSECONDS);
    }

    void bytes(FetchReason reason, long bytes) {
        of(reason).bytes.increment((double) bytes);
    }

    void hit() {
        hits.increment();
    }

    void waited(long nanos) {
        waits.record(nanos, TimeUnit.NANOSECONDS);
    }

    void failed() {
        failures.increment();
    }

    void corrupt() {
        corrupt.increment();
    }

    /** Of two requests for the same, one has delivered. */
    void doubled(boolean secondWon) {
        (secondWon ? doubledInTime : doubledInVain).increment();
    }

    private OfReason of(FetchReason reason) {
        var meters = reasons.get(reason);
        if (meters == null) {
            throw new IllegalStateException("no meters for " + reason);
        }
        return meters;
    }
}
