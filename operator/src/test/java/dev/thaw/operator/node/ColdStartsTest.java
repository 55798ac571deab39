package dev.thaw.operator.node;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Timestamp;
import dev.thaw.crds.LazyImage;
import dev.thaw.node.v1.ColdStart;
import dev.thaw.node.v1.Traffic;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ColdStartsTest {
    private static final Instant BEGAN = Instant.parse("2026-01-01T00:00:10.500Z");
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private final ColdStarts starts =
            new ColdStarts(Clock.fixed(BEGAN.plusSeconds(30), ZoneOffset.UTC), new ColdStartMetrics(meters));
    private final LazyImage image = LazyImages.published("team", "app", 'a', 'b');

    @Test
    void measuresFromTheBeginOfThePull() {
        starts.add(image, "node-1", start("c1").build(), Optional.empty());
        assertThat(starts.figures(image).entrypoint().p50()).isEqualTo("0.40s");
        assertThat(starts.figures(image).ready()).isNull();
        assertThat(starts.figures(image).demandBytes()).isEqualTo(500);
        assertThat(starts.lastOnNodes(image)).extracting(Sample::node).containsExactly("node-1");
    }

    @Test
    void measuresFromTheMountWhereNothingWasPulled() {
        starts.add(image, "node-1", start("c1").clearPullBegan().build(), Optional.empty());
        assertThat(starts.figures(image).entrypoint().p50()).isEqualTo("0.20s");
    }

    @Test
    void joinsThePodThatIsReadyAlready() {
        starts.add(image, "node-1", start("c1").build(), Optional.of(pod(Instant.parse("2026-01-01T00:00:13Z"))));
        assertThat(starts.figures(image).ready().p50()).isEqualTo("2.50s");
    }

    @Test
    void waitsForThePodToBecomeReady() {
        var told = new ArrayList<ImageName>();
        starts.onChange(told::add);
        starts.add(image, "node-1", start("c1").build(), Optional.of(pod(null)));
        starts.podChanged(pod(null));
        starts.podChanged(pod(Instant.parse("2026-01-01T00:00:18Z")));
        assertThat(starts.figures(image).ready().p50()).isEqualTo("7.50s");
        assertThat(starts.lastOnNodes(image).getFirst().ready()).isPresent();
        assertThat(told).containsExactly(new ImageName("team", "app"), new ImageName("team", "app"));
    }

    @Test
    void doesNotTakeAReadinessOfBeforeForThatOfThisStart() {
        starts.add(image, "node-1", start("c1").build(), Optional.of(pod(Instant.parse("2026-01-01T00:00:01Z"))));
        assertThat(starts.figures(image).ready()).isNull();
    }

    @Test
    void allowsForConditionsThatAreCutToTheSecond() {
        starts.add(image, "node-1", start("c1").build(), Optional.of(pod(Instant.parse("2026-01-01T00:00:10Z"))));
        assertThat(starts.figures(image).ready().p50())
                .as("never sooner than the process")
                .isEqualTo("0.40s");
    }

    @Test
    void countsAStartOnceHoweverOftenItIsSent() {
        for (int i = 0; i < 3; i++) {
            starts.add(image, "node-1", start("c1").build(), Optional.of(pod(Instant.parse("2026-01-01T00:00:13Z"))));
        }
        assertThat(starts.figures(image).samples()).isEqualTo(1);
        assertThat(meters.get("thaw.coldstart.entrypoint").timer().count()).isEqualTo(1);
    }

    @Test
    void leavesStartsOutThatWereNotCold() {
        starts.add(image, "node-1", start("c1").setCold(false).build(), Optional.empty());
        starts.add(image, "node-1", start("c2").clearStarted().build(), Optional.empty());
        assertThat(starts.figures(image)).isNull();
    }

    @Test
    void continuesFromTheStatusOfAnOperatorBefore() {
        starts.add(image, "node-1", start("c1").build(), Optional.empty());
        var figures = starts.figures(image);
        var later = LazyImages.published("team", "app", 'a', 'b');
        later.setStatus(image.getStatus().toBuilder().coldStart(figures).build());

        var restarted = new ColdStarts(Clock.systemUTC(), new ColdStartMetrics(new SimpleMeterRegistry()));
        assertThat(restarted.figures(later)).isEqualTo(figures);
        restarted.add(later, "node-2", start("c2").build(), Optional.empty());
        assertThat(restarted.figures(later).samples()).isEqualTo(2);
    }

    private static ColdStart.Builder start(String container) {
        return ColdStart.newBuilder()
                .setContainerId(container)
                .setPodNamespace("team")
                .setPodName("pod")
                .setPodUid("uid")
                .setCold(true)
                .setPullBegan(time(BEGAN))
                .setRootMounted(time(BEGAN.plusMillis(200)))
                .setStarted(time(BEGAN.plusMillis(400)))
                .setDemand(Traffic.newBuilder().setBytes(500))
                .setTouchedBytes(10)
                .setImageBytes(100);
    }

    private static WatchedPod pod(Instant ready) {
        return new WatchedPod(
                "team", "pod", "uid", "node-1", Set.of(), false, true, Optional.empty(), Optional.ofNullable(ready));
    }

    private static Timestamp time(Instant instant) {
        return Timestamp.newBuilder()
                .setSeconds(instant.getEpochSecond())
                .setNanos(instant.getNano())
                .build();
    }
}
