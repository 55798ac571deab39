package dev.thaw.operator.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Latency;
import dev.thaw.crds.LazyImageStatus.ColdStart;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class SampleWindowTest {
    private static final Instant BEGAN = Instant.parse("2026-01-01T00:00:00.7Z");

    @Test
    void drawsPercentilesByNearestRank() {
        var window = new SampleWindow();
        for (int i = 1; i <= 20; i++) {
            window.add(sample("c" + i, Duration.ofMillis(100L * i), Optional.of(Duration.ofSeconds(i))));
        }
        var figures = window.figures();
        assertThat(figures.samples()).isEqualTo(20);
        assertThat(figures.entrypoint()).isEqualTo(new Latency("1.00s", "1.90s"));
        assertThat(figures.ready()).isEqualTo(new Latency("10.0s", "19.0s"));
        assertThat(figures.demandBytes()).isEqualTo(1000);
        assertThat(figures.aheadBytes()).isEqualTo(2000);
        assertThat(figures.touched()).isEqualTo("25%");
        assertThat(figures.lastTime()).isEqualTo("2026-01-01T00:00:00Z");
    }

    @Test
    void countsAContainerOnce() {
        var window = new SampleWindow();
        assertThat(window.add(sample("same", Duration.ofSeconds(1), Optional.empty())))
                .isTrue();
        assertThat(window.add(sample("same", Duration.ofSeconds(9), Optional.empty())))
                .isFalse();
        assertThat(window.figures().samples()).isEqualTo(1);
        assertThat(window.figures().entrypoint().p50()).isEqualTo("1.00s");
    }

    @Test
    void notesLaterWhenThePodBecameReady() {
        var window = new SampleWindow();
        window.add(sample("c", Duration.ofSeconds(1), Optional.empty()));
        assertThat(window.figures().ready()).isNull();
        assertThat(window.ready("c", Duration.ofSeconds(3))).isTrue();
        assertThat(window.figures().ready().p50()).isEqualTo("3.00s");
        assertThat(window.ready("gone", Duration.ofSeconds(3))).isFalse();
    }

    @Test
    void whatIsReadLongAfterReadyIsNoPartOfTheStart() {
        var window = new SampleWindow();
        var start = sample("c", Duration.ofSeconds(1), Optional.of(Duration.ofSeconds(10)));
        window.add(start);
        var later = bytes(start, 3000);

        assertThat(window.refine(later, BEGAN.plusSeconds(16))).isTrue();
        assertThat(window.refine(bytes(start, 9000), BEGAN.plusSeconds(18))).isFalse();

        assertThat(window.figures().demandBytes()).isEqualTo(3000);
    }

    @Test
    void aStartThatIsNotReadyYetGoesOn() {
        var window = new SampleWindow();
        var start = sample("c", Duration.ofSeconds(1), Optional.empty());
        window.add(start);

        assertThat(window.refine(bytes(start, 3000), BEGAN.plusSeconds(1000))).isTrue();
    }

    private static Sample bytes(Sample start, long demandBytes) {
        return new Sample(
                start.container(),
                start.node(),
                start.began(),
                start.entrypoint(),
                start.ready(),
                demandBytes,
                start.aheadBytes(),
                start.touchedBytes(),
                start.imageBytes());
    }

    @Test
    void forgetsTheOldestBeyondItsSize() {
        var window = new SampleWindow();
        for (int i = 0; i < SampleWindow.SIZE + 50; i++) {
            window.add(sample("c" + i, Duration.ofSeconds(i < 50 ? 1000 : 1), Optional.empty()));
        }
        assertThat(window.figures().samples()).isEqualTo(SampleWindow.SIZE);
        assertThat(window.figures().entrypoint().p95()).isEqualTo("1.00s");
    }

    @RepeatedTest(30)
    void givesTheSameFiguresAfterARestart(RepetitionInfo repetition) {
        var random = new SplittableRandom(repetition.getCurrentRepetition());
        var window = new SampleWindow();
        int count = random.nextInt(1, SampleWindow.SIZE + 20);
        for (int i = 0; i < count; i++) {
            window.add(new Sample(
                    "c" + i,
                    "node",
                    BEGAN.plusSeconds(i),
                    Duration.ofMillis(random.nextLong(1, 20_000)),
                    Optional.of(Duration.ofMillis(random.nextLong(20_000, 400_000))),
                    random.nextLong(1, 1 << 30),
                    random.nextLong(1, 1 << 30),
                    random.nextLong(1, 100),
                    100));
        }
        assertThat(SampleWindow.rebuilt(window.figures()).figures()).isEqualTo(window.figures());
    }

    @Test
    void startsEmptyWhereNothingWasMeasuredOrTheStatusIsNonsense() {
        assertThat(SampleWindow.rebuilt(null).figures()).isNull();
        var nonsense = new ColdStart(5, new Latency("soon", "later"), null, 1, 1, "?", "?");
        assertThat(SampleWindow.rebuilt(nonsense).figures()).isNull();
    }

    private static Sample sample(String container, Duration entrypoint, Optional<Duration> ready) {
        return new Sample(container, "node", BEGAN, entrypoint, ready, 1000, 2000, 25, 100);
    }
}
