package dev.thaw.operator.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.operator.node.WarmupPlan.Candidate;
import java.util.List;
import org.junit.jupiter.api.Test;

class WarmupPlanTest {
    @Test
    void tellsAsManyNodesAsMayFetchAtTheSameTime() {
        var plan = plan(2, idle("c"), idle("a"), idle("b"), idle("d"));
        assertThat(plan.told()).containsExactly("a", "b");
        assertThat(plan.warmth()).isEqualTo(new Warmth(WarmLevel.TRACE, 4, 0, 0, ""));
    }

    @Test
    void goesOnWithTheNextNodeWhenOneIsWarm() {
        var plan = plan(2, reached("a", WarmLevel.TRACE), fetching("b"), idle("c"), idle("d"));
        assertThat(plan.told()).containsExactlyInAnyOrder("a", "b", "c");
        assertThat(plan.warmth().warm()).isEqualTo(1);
    }

    @Test
    void letsNoNodeThatFailsHoldUpTheOthers() {
        var plan = plan(1, failing("a"), idle("b"), idle("c"));
        assertThat(plan.told()).containsExactlyInAnyOrder("a", "b");
        assertThat(plan.warmth().failing()).isEqualTo(1);
        assertThat(plan.warmth().failure()).isEqualTo("a: no room");
    }

    @Test
    void takesNothingFromANodeThatFetchesWhenFewerMayFetchNow() {
        var plan = plan(1, fetching("a"), fetching("b"), idle("c"));
        assertThat(plan.told()).containsExactlyInAnyOrder("a", "b");
    }

    @Test
    void countsANodeThatHoldsMoreAsWarm() {
        var plan = plan(1, reached("a", WarmLevel.FULL), idle("b"));
        assertThat(plan.told()).containsExactlyInAnyOrder("a", "b");
        assertThat(plan.warmth().warm()).isEqualTo(1);
    }

    @Test
    void givesANodeThatHoldsLessItsTurnAgain() {
        var plan = plan(1, reached("b", WarmLevel.ENTRYPOINT), idle("a"));
        assertThat(plan.told()).containsExactly("b");
        assertThat(plan.warmth().warm()).isZero();
    }

    private static WarmupPlan plan(int parallelism, Candidate... candidates) {
        return WarmupPlan.of(WarmLevel.TRACE, parallelism, List.of(candidates));
    }

    private static Candidate idle(String node) {
        return new Candidate(node, false, WarmLevel.NONE, "");
    }

    private static Candidate fetching(String node) {
        return new Candidate(node, true, WarmLevel.NONE, "");
    }

    private static Candidate reached(String node, WarmLevel level) {
        return new Candidate(node, true, level, "");
    }

    private static Candidate failing(String node) {
        return new Candidate(node, true, WarmLevel.NONE, "no room");
    }
}
