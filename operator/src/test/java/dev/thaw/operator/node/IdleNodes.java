package dev.thaw.operator.node;

import io.micrometer.core.instrument.MeterRegistry;
import java.time.Clock;

/** A cluster whose agents have said nothing, for tests of other packages. */
public record IdleNodes(NodeReports reports, ColdStarts coldStarts) {
    public static IdleNodes of(MeterRegistry meters) {
        var clock = Clock.systemUTC();
        return new IdleNodes(new NodeReportTable(clock), new ColdStarts(clock, new ColdStartMetrics(meters)));
    }
}
