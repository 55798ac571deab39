package dev.thaw.operator.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.NodePhase;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ImageNodesTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

    @Test
    void saysHowFarEachNodeIs() {
        var nodes = of(List.of(
                report("full", 100, 100, "", NOW),
                report("half", 50, 100, "", NOW),
                report("begins", 0, 0, "", NOW),
                report("broken", 10, 100, "bootstrap is corrupt", NOW),
                report("silent", 100, 100, "", NOW.minusSeconds(91))));
        assertThat(nodes.rows())
                .extracting(LazyImageStatus.NodeReport::node, LazyImageStatus.NodeReport::phase)
                .containsExactly(
                        tuple("broken", NodePhase.FAILED),
                        tuple("begins", NodePhase.FETCHING),
                        tuple("full", NodePhase.COMPLETE),
                        tuple("half", NodePhase.READY));
        assertThat(nodes.totals().summary()).isEqualTo("2/4");
        assertThat(nodes.totals().complete()).isEqualTo(1);
        assertThat(nodes.totals().failed()).isEqualTo(1);
        assertThat(nodes.totals().cached()).isEqualTo("75%");
    }

    @Test
    void isNeverAtAHundredPercentWhileAByteIsMissing() {
        var nodes = of(List.of(report("n", 99_999, 100_000, "", NOW)));
        assertThat(nodes.rows().getFirst().cachedPercent()).isEqualTo(99);
    }

    @Test
    void showsTheFailingNodesAndThenTheNewestWhenThereAreTooMany() {
        var reports = new ArrayList<NodeReport>();
        var starts = new HashMap<String, Sample>();
        for (int i = 0; i < 100; i++) {
            var node = "node-%03d".formatted(i);
            reports.add(report(node, 1, 2, i == 50 ? "broken" : "", NOW));
            starts.put(
                    node,
                    new Sample(
                            "c" + i, node, NOW.minusSeconds(i), Duration.ofMillis(400), Optional.empty(), 0, 0, 0, 0));
        }
        var nodes =
                ImageNodes.of(LazyImages.published("team", "app", 'a', 'b'), reports, starts, null, null, null, NOW);
        assertThat(nodes.rows()).hasSize(LazyImageStatus.MAX_NODES);
        assertThat(nodes.rows())
                .extracting(LazyImageStatus.NodeReport::node)
                .startsWith("node-050", "node-000", "node-001");
        assertThat(nodes.totals().total()).isEqualTo(100);
        assertThat(nodes.rows().get(1).entrypoint()).isEqualTo("0.40s");
    }

    @Test
    void leavesNodesOutThatHoldOtherImagesOnly() {
        var other = LazyImages.published("team", "app", 'a', 'c');
        assertThat(ImageNodes.of(other, List.of(report("n", 1, 1, "", NOW)), Map.of(), null, null, null, NOW))
                .isEqualTo(ImageNodes.NONE);
    }

    private static ImageNodes of(List<NodeReport> reports) {
        return ImageNodes.of(LazyImages.published("team", "app", 'a', 'b'), reports, Map.of(), null, null, null, NOW);
    }

    private static NodeReport report(String node, long cached, long total, String error, Instant received) {
        return new NodeReport(
                node,
                "agent-" + node,
                received,
                "1",
                "2.0",
                "6.12",
                "erofs",
                "",
                0,
                0,
                List.of(new NodeReport.Image(
                        LazyImages.digest('b'), cached, total, true, error, 0, WarmLevel.NONE, WarmLevel.NONE, "")),
                List.of());
    }
}
