package dev.thaw.agent.cache;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.function.LongSupplier;

/** What the chunk cache tells. */
final class CacheMetrics {
    private final Counter evicted;
    private final Counter uncached;
    private final Counter damaged;

    CacheMetrics(MeterRegistry registry, LongSupplier used, long capacity) {
        Gauge.builder("thaw.cache.used", used, LongSupplier::getAsLong)
                .strongReference(true)
                .baseUnit("bytes")
                .description("Chunks on the node's disk")
                .register(registry);
        Gauge.builder("thaw.cache.capacity", () -> capacity)
                .baseUnit("bytes")
                .description("Most that the cache may hold")
                .register(registry);
        evicted = Counter.builder("thaw.cache.evicted")
                .baseUnit("bytes")
                .description("Chunks that were dropped to make room")
                .register(registry);
        uncached = Counter.builder("thaw.cache.uncached.chunks")
                .description("Chunks that were served without being kept, because the disk or the cache was full")
                .register(registry);
        damaged = Counter.builder("thaw.cache.damaged.chunks")
                .description("Chunks on disk whose digest was wrong when they were first read")
                .register(registry);
    }

    void evicted(long bytes) {
        evicted.increment((double) bytes);
    }

    void uncached() {
        uncached.increment();
    }

    void damaged() {
        damaged.increment();
    }
}
