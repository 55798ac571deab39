package dev.thaw.operator.rollout;

import static dev.thaw.operator.rollout.Fixtures.config;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.SnapshotterConfig;
import io.fabric8.kubernetes.api.model.NodeSelectorRequirement;
import io.fabric8.kubernetes.api.model.NodeSelectorTerm;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class PlacementTest {
    @Test
    void aConfigurationAloneHasEveryLinuxNodeThatItSelects() {
        var only = config("a", 0, Map.of("pool", "gpu"));

        var placement = Placement.of(only, List.of(only));

        assertThat(placement.selector()).isEqualTo(Map.of("pool", "gpu", "kubernetes.io/os", "linux"));
        assertThat(terms(placement)).hasSize(2);
        assertThat(terms(placement).getFirst().getMatchExpressions())
                .containsExactly(
                        new NodeSelectorRequirement("kubernetes.io/os", "In", List.of("linux")),
                        new NodeSelectorRequirement("pool", "In", List.of("gpu")));
        assertThat(matches(placement, Map.of("thaw.dev/agent-of", "x"))).isTrue();
        assertThat(matches(placement, Map.of("thaw.dev/agent-of", "y"))).isFalse();
    }

    @Test
    void theLowerPriorityLeavesOutWhatTheHigherSelects() {
        var everywhere = config("everywhere", 0, Map.of());
        var gpus = config("gpus", 10, Map.of("pool", "gpu"));

        assertThat(Placement.of(gpus, List.of(everywhere, gpus)).yieldsTo()).isEmpty();
        var lower = Placement.of(everywhere, List.of(everywhere, gpus));

        assertThat(lower.yieldsTo()).containsExactly("gpus");
        assertThat(terms(lower)).hasSize(2);
        assertThat(terms(lower).getFirst().getMatchExpressions())
                .containsExactly(
                        new NodeSelectorRequirement("kubernetes.io/os", "In", List.of("linux")),
                        new NodeSelectorRequirement("pool", "NotIn", List.of("gpu")));
    }

    @Test
    void configurationsThatCannotShareANodeDoNotMindEachOther() {
        var one = config("one", 5, Map.of("pool", "a"));
        var other = config("other", 9, Map.of("pool", "b"));

        assertThat(Placement.of(one, List.of(one, other)).yieldsTo()).isEmpty();
    }

    @Test
    void ofEqualPriorityTheOldestGoesFirst() {
        var old = config("z", 0, Map.of());
        var young = config("a", 0, Map.of());
        young.getMetadata().setCreationTimestamp("2026-02-01T00:00:00Z");

        assertThat(Placement.of(old, List.of(old, young)).yieldsTo()).isEmpty();
        assertThat(Placement.of(young, List.of(old, young)).yieldsTo()).containsExactly("z");
    }

    @Test
    void aShadowedConfigurationIsPlacedNowhere() {
        var wide = config("wide", 1, Map.of());
        var narrow = config("narrow", 0, Map.of("pool", "gpu"));

        var placement = Placement.of(narrow, List.of(wide, narrow));

        assertThat(placement.alternatives()).isEmpty();
        assertThat(terms(placement)).hasSize(1);
        assertThat(matches(placement, Map.of("pool", "gpu", "kubernetes.io/os", "linux")))
                .isFalse();
    }

    /** The affinity must agree with the rule "the first by precedence that selects the node owns it". */
    @RepeatedTest(200)
    void everyNodeIsPlacedExactlyWhereItsOwnerIs(RepetitionInfo repetition) {
        var random = new SplittableRandom(repetition.getCurrentRepetition());
        var configs = new ArrayList<SnapshotterConfig>();
        for (int i = 0; i < random.nextInt(1, 6); i++) {
            configs.add(config("c" + i, random.nextInt(0, 3), labels(random, 3)));
        }
        for (int i = 0; i < 20; i++) {
            var labels = new HashMap<>(labels(random, 4));
            labels.put("kubernetes.io/os", "linux");

            var owner = Placement.owner(labels, configs)
                    .map(config -> config.getMetadata().getName());
            var placed = configs.stream()
                    .filter(config -> matches(Placement.of(config, configs), labels))
                    .map(config -> config.getMetadata().getName())
                    .toList();

            assertThat(placed)
                    .as("%s in %s", labels, configs)
                    .isEqualTo(owner.stream().toList());
        }
    }

    private static Map<String, String> labels(SplittableRandom random, int bound) {
        var labels = new HashMap<String, String>();
        for (int i = 0; i < random.nextInt(0, bound); i++) {
            labels.put("k" + random.nextInt(0, 3), "v" + random.nextInt(0, 2));
        }
        return labels;
    }

    private static List<NodeSelectorTerm> terms(Placement placement) {
        return placement
                .orLabelled("thaw.dev/agent-of", "x")
                .getNodeAffinity()
                .getRequiredDuringSchedulingIgnoredDuringExecution()
                .getNodeSelectorTerms();
    }

    /** As the scheduler reads it: one of the terms. */
    private static boolean matches(Placement placement, Map<String, String> labels) {
        return terms(placement).stream()
                .anyMatch(term ->
                        term.getMatchExpressions().stream().allMatch(expression -> matches(expression, labels)));
    }

    private static boolean matches(NodeSelectorRequirement expression, Map<String, String> labels) {
        boolean in = expression.getValues().contains(labels.get(expression.getKey()));
        return expression.getOperator().equals("In") == in;
    }
}
