package dev.thaw.agent.fetch;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

final class StragglersTest {
    private static final long MILLI = 1_000_000;

    private final Stragglers stragglers = new Stragglers(Duration.ofMillis(50), Duration.ofSeconds(2));

    private void answered(int times, long millis) {
        for (int i = 0; i < times; i++) {
            stragglers.answered(millis * MILLI);
        }
    }

    @Test
    void waitsLongUntilEnoughIsKnown() {
        answered(15, 1);
        assertThat(stragglers.patienceNanos()).isEqualTo(2000 * MILLI);
        answered(1, 1);
        assertThat(stragglers.patienceNanos()).isEqualTo(50 * MILLI);
    }

    @Test
    void isMeasuredByNearlyAllOthers() {
        answered(98, 100);
        answered(2, 1500);
        assertThat(stragglers.patienceNanos()).isEqualTo(200 * MILLI);
        answered(20, 1500);
        assertThat(stragglers.patienceNanos()).isEqualTo(2000 * MILLI);
    }

    @Test
    void forgetsWhatWasLongAgo() {
        answered(128, 1500);
        answered(128, 100);
        assertThat(stragglers.patienceNanos()).isEqualTo(200 * MILLI);
    }

    @Test
    void doublesOneOfTenAfterAHandful() {
        for (int i = 0; i < 5; i++) {
            assertThat(stragglers.mayDouble()).isTrue();
        }
        assertThat(stragglers.mayDouble()).isFalse();
        answered(9, 1);
        assertThat(stragglers.mayDouble()).isFalse();
        answered(2, 1);
        assertThat(stragglers.mayDouble()).isTrue();
        assertThat(stragglers.mayDouble()).isFalse();
    }
}
