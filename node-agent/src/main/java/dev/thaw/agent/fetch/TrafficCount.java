package dev.thaw.agent.fetch;

import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** What reading one image has cost. */
public final class TrafficCount {
    private final Map<FetchReason, LongAdder> bytes = new EnumMap<>(FetchReason.class);
    private final Map<FetchReason, LongAdder> requests = new EnumMap<>(FetchReason.class);
    private final LongAdder waitedNanos = new LongAdder();
    private final LongAdder touched = new LongAdder();

    public TrafficCount() {
        for (var reason : FetchReason.values()) {
            bytes.put(reason, new LongAdder());
            requests.put(reason, new LongAdder());
        }
    }

    /** Bytes as they came over the network. */
    public long bytes(FetchReason reason) {
        return count(bytes, reason).sum();
    }

    public long requests(FetchReason reason) {
        return count(requests, reason).sum();
    }

    /** Time that reads waited, summed over readers. */
    public Duration waited() {
        return Duration.ofNanos(waitedNanos.sum());
    }

    /** Bytes that reads asked for. */
    public long touchedBytes() {
        return touched.sum();
    }

    void fetched(FetchReason reason, long count) {
        count(bytes, reason).add(count);
    }

    void requested(FetchReason reason) {
        count(requests, reason).increment();
    }

    void waited(long nanos) {
        waitedNanos.add(nanos);
    }

    void touched(long count) {
        touched.add(count);
    }

    private static LongAdder count(Map<FetchReason, LongAdder> counts, FetchReason reason) {
        var count = counts.get(reason);
        if (count == null) {
            throw new IllegalStateException("no count for " + reason);
        }
        return count;
    }
}
