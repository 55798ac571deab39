package dev.thaw.operator.node;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;

/** How fast containers start, over all images: the status of each LazyImage has its own. */
final class ColdStartMetrics {
    private final Timer entrypoint;
    private final Timer ready;
    private final Counter demand;
    private final Counter ahead;

    ColdStartMetrics(MeterRegistry registry) {
        entrypoint =
                timer("thaw.coldstart.entrypoint", "From the begin of the pull to the start of the process", registry);
        ready = timer("thaw.coldstart.ready", "From the begin of the pull to the pod's Ready condition", registry);
        demand = counter("demand", registry);
        ahead = counter("ahead", registry);
    }

    void entrypoint(Sample sample) {
        entrypoint.record(sample.entrypoint());
        demand.increment(sample.demandBytes());
        ahead.increment(sample.aheadBytes());
    }

    void ready(Duration time) {
        ready.record(time);
    }

    private static Timer timer(String name, String description, MeterRegistry registry) {
        return Timer.builder(name)
                .description(description)
                .publishPercentileHistogram()
                .register(registry);
    }

    private static Counter counter(String reason, MeterRegistry registry) {
        return Counter.builder("thaw.coldstart.bytes")
                .tag("reason", reason)
                .baseUnit("bytes")
                .description("Bytes fetched until the report of a cold start, by reason")
                .register(registry);
    }
}
