package dev.thaw.crds;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ConditionTest {
    private static final Instant MORNING = Instant.parse("2026-01-01T08:00:00.123Z");
    private static final Instant EVENING = Instant.parse("2026-01-01T20:00:00Z");

    private final Condition ready = Condition.of(ConditionType.READY, ConditionStatus.TRUE, Reason.SERVING);
    private final Condition converting =
            Condition.of(ConditionType.CONVERTED, ConditionStatus.FALSE, Reason.CONVERTING);

    @Test
    void readyIsAlwaysFirst() {
        var merged = Condition.merge(List.of(), List.of(converting, ready), 1L, MORNING);
        assertThat(merged).extracting(Condition::type).containsExactly(ConditionType.READY, ConditionType.CONVERTED);
    }

    @Test
    void aNewConditionIsStampedToTheSecond() {
        var merged = Condition.merge(List.of(), List.of(ready), 7L, MORNING).getFirst();
        assertThat(merged.lastTransitionTime()).isEqualTo("2026-01-01T08:00:00Z");
        assertThat(merged.observedGeneration()).isEqualTo(7L);
        assertThat(merged.message()).isEqualTo(Reason.SERVING.sentence());
        assertThat(merged.holds()).isTrue();
    }

    @Test
    void mergingTheSameTwiceChangesNothing() {
        var once = Condition.merge(List.of(), List.of(ready, converting), 1L, MORNING);
        assertThat(Condition.merge(once, List.of(ready, converting), 1L, EVENING))
                .isEqualTo(once);
    }

    @Test
    void anotherReasonOfTheSameStatusKeepsTheTime() {
        var once = Condition.merge(List.of(), List.of(converting), 1L, MORNING);
        var verifying = Condition.of(ConditionType.CONVERTED, ConditionStatus.FALSE, Reason.VERIFYING);
        var merged = Condition.merge(once, List.of(verifying), 1L, EVENING).getFirst();
        assertThat(merged.reason()).isEqualTo(Reason.VERIFYING);
        assertThat(merged.lastTransitionTime()).isEqualTo("2026-01-01T08:00:00Z");
    }

    @Test
    void anotherStatusTakesTheNewTime() {
        var once = Condition.merge(List.of(), List.of(converting), 1L, MORNING);
        var converted = Condition.of(ConditionType.CONVERTED, ConditionStatus.TRUE, Reason.CONVERTED);
        assertThat(Condition.merge(once, List.of(converted), 1L, EVENING)
                        .getFirst()
                        .lastTransitionTime())
                .isEqualTo("2026-01-01T20:00:00Z");
    }

    @Test
    void whatIsNotSpokenOfStays() {
        var once = Condition.merge(List.of(), List.of(converting), 1L, MORNING);
        assertThat(Condition.merge(once, List.of(ready), 2L, EVENING))
                .hasSize(2)
                .contains(once.getFirst());
    }
}
