package dev.thaw.operator.rollout;

import static dev.thaw.operator.rollout.Fixtures.NOW;
import static dev.thaw.operator.rollout.Fixtures.daemonSet;
import static dev.thaw.operator.rollout.Fixtures.node;
import static dev.thaw.operator.rollout.Fixtures.pod;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Names;
import dev.thaw.crds.SnapshotterConfigSpec;
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

    private static Pod agent(String node) {
        return pod("a", Names.AGENT_COMPONENT, node, true, true);
    }

    private static Pod uninstaller(String node, boolean ready) {
        return pod("a", AgentNames.UNINSTALL_COMPONENT, node, ready, ready);
    }

    private static Removal after(DaemonSet agent, DaemonSet uninstall, Instant now, Pod... pods) {
        var config = Fixtures.config("a", SnapshotterConfigSpec.DEFAULT);
        return Removal.after(new Observation(
                config,
                List.of(config),
                Placement.of(config, List.of(config)),
                Optional.ofNullable(agent),
                Optional.ofNullable(uninstall),
                List.of(pods),
                Observation.byName(List.of(node("up", true, Map.of()), node("down", false, Map.of()))),
                Map.of(),
                List.of(),
                now));
    }
}
