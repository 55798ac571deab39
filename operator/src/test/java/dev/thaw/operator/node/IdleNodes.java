package dev.thaw.operator.node;

import io.micrometer.core.instrument.MeterRegistry;
import java.time.Clock;
import java.util.List;

/** A cluster whose agents have said nothing, for tests of other packages. */
public final class IdleNodes {
    private IdleNodes() {}

    public static Nodes of(MeterRegistry meters) {
        var clock = Clock.systemUTC();
        var reports = new NodeReportTable(clock);
        var traces = new Traces(new MemoryTraces(), Runnable::run);
        return new Nodes(
                reports,
                new ColdStarts(clock, new ColdStartMetrics(meters)),
                traces,
                new Warmups(List::of, List::of, reports, traces, clock));
    }
}
