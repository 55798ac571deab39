package dev.thaw.agent.image;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;

/** What became of what was prefetched: counted once a start, when its recording ends. */
final class PrefetchMetrics {
    private final Counter used;
    private final Counter unused;

    PrefetchMetrics(MeterRegistry registry) {
        used = counter(registry, "used");
        unused = counter(registry, "unused");
    }

    private static Counter counter(MeterRegistry registry, String outcome) {
        return Counter.builder("thaw.prefetch")
                .baseUnit("bytes")
                .tag("outcome", outcome)
                .description("Bytes that were fetched for the start of a container, by whether it read them")
                .register(registry);
    }

    void ended(Recording.Prefetched prefetched) {
        used.increment((double) prefetched.used());
        unused.increment((double) (prefetched.bytes() - prefetched.used()));
    }
}
