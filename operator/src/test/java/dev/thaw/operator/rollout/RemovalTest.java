package dev.thaw.operator.rollout;

import static dev.thaw.operator.rollout.Fixtures.NOW;
import static dev.thaw.operator.rollout.Fixtures.daemonSet;
import static dev.thaw.operator.rollout.Fixtures.node;
import static dev.thaw.operator.rollout.Fixtures.pod;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Names;
import dev.thaw.crds.SnapshotterConfig;
import dev.thaw.crds.SnapshotterConfigSpec;
import dev.thaw.operator.node.NodeReport;
import dev.thaw.operator.node.WarmLevel;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class RemovalTest {
    private static final DaemonSet AGENT = daemonSet("thaw-agent-a", "a", 2, 2);
    private static final DaemonSet UNINSTALL = daemonSet("thaw-uninstall-a", "a", 2, 2);

    @Test
    void agentsAreStoppedFirst() {
        assertThat(after(AGENT, null, NOW, agent("up"), agent("down")))
                .isInstanceOfSatisfying(
                        Removal.StoppingAgents.class,
                        stopping -> assertThat(stopping.nodes()).containsExactly("up"));
    }

    @Test
    void anAgentThatStillRunsOnANodeThatIsUpHoldsTheUninstaller() {
        assertThat(after(null, null, NOW, agent("up"))).isInstanceOf(Removal.StoppingAgents.class);
    }

    @Test
    void anAgentOnANodeThatIsDownDoesNot() {
        assertThat(after(null, null, NOW, agent("down"), agent("gone")))
                .isInstanceOfSatisfying(
                        Removal.Uninstalling.class,
                        uninstalling -> assertThat(uninstalling.missing()).isTrue());
    }

    @Test
    void isDoneWhenEveryNodeHasAnswered() {
        assertThat(after(null, UNINSTALL, NOW, uninstaller("up", true), uninstaller("down", true)))
                .isEqualTo(new Removal.Done(new java.util.TreeSet<>()));
    }

    @Test
    void waitsForTheDaemonSetControllerToCount() {
        var fresh = daemonSet("thaw-uninstall-a", "a", 2, 2);
        fresh.setStatus(null);

        assertThat(after(null, fresh, NOW)).isInstanceOf(Removal.Uninstalling.class);
        assertThat(after(null, UNINSTALL, NOW, uninstaller("up", true))).isInstanceOf(Removal.Uninstalling.class);
    }

    @Test
    void aNodeThatIsUpAndFailsHoldsTheRemovalForEver() {
        assertThat(after(
                        null,
                        UNINSTALL,
                        NOW.plus(Duration.ofDays(1)),
                        uninstaller("up", false),
                        uninstaller("u", true)))
                .isInstanceOfSatisfying(
                        Removal.Uninstalling.class,
                        uninstalling -> assertThat(uninstalling.pending()).containsExactly("up"));
    }

    @Test
    void aNodeThatIsDownIsLeftBehindAfterTheDeadline() {
        Pod[] pods = {uninstaller("up", true), uninstaller("down", false)};

        assertThat(after(null, UNINSTALL, NOW.plus(Duration.ofMinutes(4)), pods))
                .isInstanceOfSatisfying(
                        Removal.Uninstalling.class,
                        uninstalling -> assertThat(uninstalling.silent()).containsExactly("down"));
        assertThat(after(null, UNINSTALL, NOW.plus(Duration.ofMinutes(5)), pods))
                .isInstanceOfSatisfying(
                        Removal.Done.class,
                        done -> assertThat(done.leftBehind()).containsExactly("down"));
    }

    @Test
    void containersThatReadThroughAnAgentHoldTheRemoval() {
        var config = Fixtures.config("a", SnapshotterConfigSpec.DEFAULT);
        var inUse = List.of(attached("up", 2));

        assertThat(after(config, AGENT, null, NOW, inUse, agent("up"), agent("down")))
                .isInstanceOfSatisfying(
                        Removal.InUse.class,
                        held -> assertThat(held.containers()).isEqualTo(Map.of("up", 2)));
        assertThat(after(config, AGENT, null, NOW, List.of(attached("up", 0)), agent("up")))
                .isInstanceOf(Removal.StoppingAgents.class);
        assertThat(after(config, AGENT, null, NOW.plus(Duration.ofMinutes(5)), inUse, agent("up")))
                .as("an agent that no longer says so")
                .isInstanceOf(Removal.StoppingAgents.class);
        assertThat(after(config, null, null, NOW, inUse, agent("up")))
                .as("agents that are on their way out")
                .isInstanceOf(Removal.StoppingAgents.class);

        config.getMetadata().setAnnotations(Map.of(Names.FORCE_REMOVAL, "true"));
        assertThat(after(config, AGENT, null, NOW, inUse, agent("up"))).isInstanceOf(Removal.StoppingAgents.class);
    }

    private static NodeReport attached(String node, int containers) {
        var report = Fixtures.report(node, NOW);
        return new NodeReport(
                report.node(),
                report.pod(),
                report.received(),
                report.agentVersion(),
                report.containerdVersion(),
                report.kernelVersion(),
                report.driver(),
                report.driverReason(),
                report.cacheBytes(),
                report.cacheCapacityBytes(),
                List.of(new NodeReport.Image(
                        "sha256:" + "a".repeat(64), 1, 2, true, "", containers, WarmLevel.NONE, WarmLevel.NONE, "")),
                List.of());
    }

    private static Pod agent(String node) {
        return pod("a", Names.AGENT_COMPONENT, node, true, true);
    }

    private static Pod uninstaller(String node, boolean ready) {
        return pod("a", AgentNames.UNINSTALL_COMPONENT, node, ready, ready);
    }

    private static Removal after(DaemonSet agent, DaemonSet uninstall, Instant now, Pod... pods) {
        return after(Fixtures.config("a", SnapshotterConfigSpec.DEFAULT), agent, uninstall, now, List.of(), pods);
    }

    private static Removal after(
            SnapshotterConfig config,
            DaemonSet agent,
            DaemonSet uninstall,
            Instant now,
            List<NodeReport> reports,
            Pod... pods) {
        return Removal.after(new Observation(
                config,
                List.of(config),
                Placement.of(config, List.of(config)),
                Optional.ofNullable(agent),
                Optional.ofNullable(uninstall),
                Optional.empty(),
                List.of(pods),
                Observation.byName(List.of(node("up", true, Map.of()), node("down", false, Map.of()))),
                Observation.byNode(reports),
                List.of(),
                now));
    }
}
