package dev.thaw.crds;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class FiguresTest {
    @Test
    void percentilesAreThoseOfTheNearestRank() {
        var samples = IntStream.rangeClosed(1, 100)
                .mapToObj(Duration::ofSeconds)
                .toList()
                .reversed();
        assertThat(Latency.of(samples)).contains(new Latency("50.0s", "95.0s"));
    }

    @Test
    void oneSampleIsBothPercentiles() {
        assertThat(Latency.of(List.of(Duration.ofMillis(420)))).contains(new Latency("0.42s", "0.42s"));
    }

    @Test
    void noSampleHasNoPercentile() {
        assertThat(Latency.of(List.of())).isEmpty();
    }

    @Test
    void onlyWhatIsCompleteIsAHundredPercent() {
        assertThat(Shares.percent(999, 1000)).isEqualTo("99%");
        assertThat(Shares.percent(1000, 1000)).isEqualTo("100%");
        assertThat(Shares.percent(0, 1000)).isEqualTo("0%");
    }

    @Test
    void aShareOfNothingIsUnknown() {
        assertThat(Shares.percent(0, 0)).isNull();
        assertThat(LazyImageStatus.NodeTotals.of(0, 0, 0, 0, 0, -1).cached()).isNull();
        assertThat(SnapshotterConfigStatus.summary(List.of())).isNull();
    }
}
