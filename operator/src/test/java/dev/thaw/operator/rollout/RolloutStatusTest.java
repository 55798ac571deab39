package dev.thaw.operator.rollout;

import static dev.thaw.operator.rollout.Fixtures.NOW;
import static dev.thaw.operator.rollout.Fixtures.config;
import static dev.thaw.operator.rollout.Fixtures.daemonSet;
import static dev.thaw.operator.rollout.Fixtures.node;
import static dev.thaw.operator.rollout.Fixtures.report;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionStatus;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.Names;
import dev.thaw.crds.Reason;
import dev.thaw.crds.SnapshotterConfig;
import dev.thaw.crds.SnapshotterConfigStatus;
import dev.thaw.crds.SnapshotterConfigStatus.Nodes;
import dev.thaw.operator.node.NodeReport;
import io.fabric8.kubernetes.api.model.ContainerStatusBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class RolloutStatusTest {
    private static final SnapshotterConfig CONFIG = config("a", 0, Map.of());

    @Test
    void isReadyWhenEveryAgentRunsAndReports() {
        var status = status(
                daemonSet("thaw-agent-a", "a", 2, 2),
                List.of(pod("n1", true, true), pod("n2", true, true)),
                List.of(report("n1", NOW), report("n2", NOW)));

        assertThat(status.nodes()).isEqualTo(new Nodes(2, 2, 2, 0));
        assertThat(condition(status, ConditionType.READY).holds()).isTrue();
        assertThat(condition(status, ConditionType.PROGRESSING).reason()).isEqualTo(Reason.ROLLED_OUT);
        assertThat(condition(status, ConditionType.DEGRADED).holds()).isFalse();
        assertThat(status.drivers()).isEqualTo("Erofs:2");
        assertThat(status.versions()).singleElement().satisfies(seen -> {
            assertThat(seen.nodes()).isEqualTo(2);
            assertThat(seen.driver()).isEqualTo("Erofs");
            assertThat(seen.driverReason()).isEqualTo("the kernel can");
        });
        assertThat(status.cache().usedBytes()).isEqualTo(20);
        assertThat(status.runtimeClasses()).containsExactly("runc-lazy");
    }

    @Test
    void anAgentThatDoesNotReportIsNotReadyAndAProblem() {
        var status = status(
                daemonSet("thaw-agent-a", "a", 1, 1),
                List.of(pod("n1", true, true)),
                List.of(report("n1", NOW.minus(Duration.ofSeconds(91)))));

        assertThat(status.nodes().ready()).isZero();
        assertThat(condition(status, ConditionType.READY).reason()).isEqualTo(Reason.AGENTS_NOT_READY);
        assertThat(status.problems()).singleElement().satisfies(problem -> {
            assertThat(problem.node()).isEqualTo("n1");
            assertThat(problem.check()).isEqualTo("Report");
        });
    }

    @Test
    void tellsWhyAnInstallationFails() {
        var failing = new PodBuilder(pod("n1", false, false))
                .editStatus()
                .withInitContainerStatuses(new ContainerStatusBuilder()
                        .withName("install")
                        .withReady(false)
                        .withNewState()
                        .withNewWaiting()
                        .withReason("CrashLoopBackOff")
                        .endWaiting()
                        .endState()
                        .withNewLastState()
                        .withNewTerminated()
                        .withExitCode(1)
                        .withMessage("starting\ncontainerd 1.5 is too old\n")
                        .endTerminated()
                        .endLastState()
                        .build())
                .endStatus()
                .build();

        var status = status(daemonSet("thaw-agent-a", "a", 1, 1), List.of(failing), List.of());

        assertThat(status.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem.message())
                        .isEqualTo("container install: CrashLoopBackOff: containerd 1.5 is too old"));
        assertThat(condition(status, ConditionType.DEGRADED).message()).contains("containerd 1.5 is too old");
        assertThat(condition(status, ConditionType.PROGRESSING).holds()).isTrue();
    }

    @Test
    void countsOutdatedAgentsWhileAChangeRollsOut() {
        var status = status(
                daemonSet("thaw-agent-a", "a", 3, 1), List.of(pod("n1", true, true)), List.of(report("n1", NOW)));

        assertThat(status.nodes()).isEqualTo(new Nodes(3, 1, 1, 2));
        assertThat(condition(status, ConditionType.PROGRESSING).reason()).isEqualTo(Reason.ROLLING_OUT);
    }

    @Test
    void anUnobservedDaemonSetIsNotTakenAtItsOldWord() {
        var changed = daemonSet("thaw-agent-a", "a", 1, 1);
        changed.getMetadata().setGeneration(2L);

        var status = status(changed, List.of(pod("n1", true, true)), List.of(report("n1", NOW)));

        assertThat(condition(status, ConditionType.READY).holds()).isFalse();
    }

    @Test
    void reportsNodesThatBelongToAnotherConfiguration() {
        var winner = config("gpus", 10, Map.of("pool", "gpu"));
        var nodes = List.of(node("n1", true, Map.of()), node("n2", true, Map.of("pool", "gpu")));
        var seen = new Observation(
                CONFIG,
                List.of(CONFIG, winner),
                Placement.of(CONFIG, List.of(CONFIG, winner)),
                Optional.of(daemonSet("thaw-agent-a", "a", 1, 1)),
                Optional.empty(),
                Optional.empty(),
                List.of(pod("n1", true, true)),
                Observation.byName(nodes),
                Observation.byNode(List.of(report("n1", NOW))),
                List.of(),
                NOW);

        var status = new RolloutStatus(seen).status(SnapshotterConfigStatus.EMPTY);

        assertThat(condition(status, ConditionType.READY).holds()).isTrue();
        assertThat(condition(status, ConditionType.DEGRADED)).satisfies(condition -> {
            assertThat(condition.reason()).isEqualTo(Reason.OVERLAPPING);
            assertThat(condition.message()).isEqualTo("1 of the selected nodes belong to gpus, which goes first.");
        });
    }

    @Test
    void theSameSightTwiceGivesTheSameStatus() {
        var set = daemonSet("thaw-agent-a", "a", 1, 1);
        var pods = List.of(pod("n1", true, true));
        var first = status(set, pods, List.of(report("n1", NOW, "disk is slow")));

        var second = new RolloutStatus(seen(
                        set, pods, List.of(report("n1", NOW.plusSeconds(60), "disk is slow")), NOW.plusSeconds(60)))
                .status(first);

        assertThat(second).isEqualTo(first);
        assertThat(first.problems().getFirst().since()).isEqualTo("2026-11-01T12:00:00Z");
    }

    private static Pod pod(String node, boolean initialized, boolean ready) {
        return Fixtures.pod("a", Names.AGENT_COMPONENT, node, initialized, ready);
    }

    private static Condition condition(SnapshotterConfigStatus status, ConditionType type) {
        return status.condition(type).orElse(Condition.of(type, ConditionStatus.UNKNOWN, Reason.UNKNOWN));
    }

    private static SnapshotterConfigStatus status(DaemonSet set, List<Pod> pods, List<NodeReport> reports) {
        return new RolloutStatus(seen(set, pods, reports, NOW)).status(SnapshotterConfigStatus.EMPTY);
    }

    private static Observation seen(DaemonSet set, List<Pod> pods, List<NodeReport> reports, Instant now) {
        return new Observation(
                CONFIG,
                List.of(CONFIG),
                Placement.of(CONFIG, List.of(CONFIG)),
                Optional.of(set),
                Optional.empty(),
                Optional.empty(),
                pods,
                Map.of(),
                Observation.byNode(reports),
                List.of(),
                now);
    }
}
