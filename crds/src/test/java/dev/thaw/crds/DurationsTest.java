package dev.thaw.crds;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.Duration;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class DurationsTest {
    @ParameterizedTest
    @CsvSource({
        "5m, PT5M",
        "1h30m, PT1H30M",
        "500ms, PT0.5S",
        "0.42s, PT0.42S",
        "1.5h, PT1H30M",
        "0s, PT0S",
        "2h3m4s5ms, PT2H3M4.005S"
    })
    void readsWhatKubernetesWrites(String text, Duration expected) {
        assertThat(Durations.parse(text)).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "5", "m", "-1s", "5 m", "1d", "1us", "1h 5m", ".5s", "5.s", "5m\n"})
    void refusesAnythingElse(String text) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Durations.parse(text))
                .withMessageContaining("is not a duration");
    }

    @ParameterizedTest
    @CsvSource({"PT0.004S, 0.00s", "PT0.4249S, 0.42s", "PT9.99S, 9.99s", "PT12.46S, 12.5s", "PT3M4S, 184s"})
    void printsAboutThreeDigits(Duration duration, String expected) {
        assertThat(Durations.print(duration)).isEqualTo(expected);
    }

    @Test
    void cutsOffWhatIsSmallerThanANanosecond() {
        assertThat(Durations.parse("0.0000000019s")).isEqualTo(Duration.ofNanos(1));
    }

    @RepeatedTest(50)
    void readsBackWhatItPrints(RepetitionInfo repetition) {
        var random = new SplittableRandom(repetition.getCurrentRepetition());
        var duration = Duration.ofMillis(random.nextLong(random.nextBoolean() ? 20_000 : 20_000_000));
        var read = Durations.parse(Durations.print(duration));
        assertThat(read.minus(duration).abs()).isLessThanOrEqualTo(Duration.ofMillis(500));
        assertThat(Durations.print(read)).isEqualTo(Durations.print(duration));
    }
}
