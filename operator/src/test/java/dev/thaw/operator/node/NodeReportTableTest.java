package dev.thaw.operator.node;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class NodeReportTableTest {
    private final AtomicReference<Instant> now = new AtomicReference<>(Instant.parse("2026-01-01T00:00:00Z"));
    private final NodeReportTable table = new NodeReportTable(((InstantSource) now::get).withZone(ZoneOffset.UTC));
    private final AtomicInteger told = new AtomicInteger();

    @BeforeEach
    void listen() {
        table.onChange(told::incrementAndGet);
    }

    @Test
    void tellsOfNewsAndNotOfRepetitions() {
        table.put(report("erofs"));
        pass(Duration.ofMinutes(1));
        table.put(report("erofs"));
        assertThat(told).hasValue(1);
        table.put(report("fuse"));
        assertThat(told).hasValue(2);
        assertThat(table.of("node")).get().extracting(NodeReport::driver).isEqualTo("fuse");
    }

    @Test
    void tellsOnceThatANodeHasGoneSilentAndThatItIsBack() {
        table.put(report("erofs"));
        table.look();
        assertThat(told).hasValue(1);
        pass(NodeReport.FRESH);
        table.look();
        table.look();
        assertThat(told).hasValue(2);
        assertThat(table.all()).singleElement().matches(report -> !report.isFresh(now.get()));
        table.put(report("erofs"));
        assertThat(told).hasValue(3);
        table.look();
        assertThat(told).hasValue(3);
    }

    @Test
    void forgetsANodeThatHasLeft() {
        table.put(report("erofs"));
        table.forget("node");
        table.forget("stranger");
        assertThat(table.all()).isEmpty();
        assertThat(told).hasValue(2);
    }

    private void pass(Duration duration) {
        now.updateAndGet(time -> time.plus(duration));
    }

    private NodeReport report(String driver) {
        return new NodeReport("node", "pod", now.get(), "1", "2", "6", driver, "", 0, 0, List.of(), List.of());
    }
}
