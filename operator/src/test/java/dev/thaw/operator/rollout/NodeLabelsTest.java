package dev.thaw.operator.rollout;

import static dev.thaw.operator.rollout.Fixtures.node;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Names;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class NodeLabelsTest {
    private static final NodeLabels NONE = new NodeLabels(false, Optional.empty(), Optional.empty());
    private static final NodeLabels SERVING = new NodeLabels(true, Optional.of("a"), Optional.of("a"));
    private static final NodeLabels STAYING = new NodeLabels(false, Optional.of("a"), Optional.of("a"));
    private static final NodeLabels LEAVING = new NodeLabels(false, Optional.empty(), Optional.of("a"));

    private static NodeLabels.Sight owned(String owner, boolean serves, String... agents) {
        return new NodeLabels.Sight(Optional.of(owner), serves, false, Set.of(agents), false, false, Set.of("a", "b"));
    }

    private static NodeLabels.Sight left(boolean inUse, boolean uninstalled) {
        return new NodeLabels.Sight(Optional.empty(), true, false, Set.of("a"), inUse, uninstalled, Set.of("a", "b"));
    }

    @Test
    void aNodeIsInstalledOnceItsAgentIsThereAndReadyOnceThatServes() {
        assertThat(NONE.after(owned("a", false))).isEqualTo(new NodeLabels(false, Optional.of("a"), Optional.empty()));
        assertThat(NONE.after(owned("a", false, "a"))).isEqualTo(STAYING);
        assertThat(STAYING.after(owned("a", true, "a"))).isEqualTo(SERVING);
        assertThat(SERVING.after(owned("a", false))).isEqualTo(STAYING);
    }

    @Test
    void aNodeThatLeavesKeepsItsAgentWhileContainersReadThroughIt() {
        assertThat(SERVING.after(left(true, false))).isEqualTo(STAYING);
        assertThat(STAYING.after(left(true, false))).isEqualTo(STAYING);
        assertThat(STAYING.after(left(false, false))).isEqualTo(LEAVING);
    }

    @Test
    void aNodeThatLeftIsInstalledUntilContainerdHasItsConfigurationBack() {
        assertThat(LEAVING.after(left(true, false))).isEqualTo(LEAVING);
        assertThat(LEAVING.after(left(false, true))).isEqualTo(NONE);
    }

    @Test
    void anotherConfigurationTakesANodeOverWithoutAnUninstallationBetween() {
        assertThat(SERVING.after(owned("b", false, "a")))
                .isEqualTo(new NodeLabels(false, Optional.of("b"), Optional.of("a")));
        assertThat(new NodeLabels(false, Optional.of("b"), Optional.of("a")).after(owned("b", true, "b")))
                .isEqualTo(new NodeLabels(true, Optional.of("b"), Optional.of("b")));
    }

    @Test
    void aNodeWhoseConfigurationIsBeingDeletedTakesNoMoreLazyPods() {
        assertThat(SERVING.after(
                        new NodeLabels.Sight(Optional.of("a"), true, true, Set.of("a"), true, false, Set.of("a"))))
                .isEqualTo(STAYING);
    }

    @Test
    void nothingStaysOfAConfigurationThatIsGone() {
        var gone = new NodeLabels.Sight(Optional.empty(), false, false, Set.of(), false, false, Set.of());
        assertThat(SERVING.after(gone)).isEqualTo(NONE);
        assertThat(LEAVING.after(gone)).isEqualTo(NONE);
    }

    @Test
    void aPatchNamesOnlyWhatChanges() {
        assertThat(SERVING.patch(SERVING)).isEmpty();
        assertThat(SERVING.patch(NONE))
                .contains(
                        "{\"metadata\":{\"labels\":{\"thaw.dev/agent\":\"ready\",\"thaw.dev/agent-of\":\"a\",\"thaw.dev/installed\":\"a\"}}}");
        assertThat(LEAVING.patch(STAYING)).contains("{\"metadata\":{\"labels\":{\"thaw.dev/agent-of\":null}}}");
    }

    @Test
    void readsTheLabelsOfANode() {
        assertThat(NodeLabels.of(node("n", true, Map.of()))).isEqualTo(NONE);
        assertThat(NodeLabels.of(
                        node("n", true, Map.of(Names.AGENT, "ready", Names.AGENT_OF, "a", Names.INSTALLED, "a"))))
                .isEqualTo(SERVING);
    }
}
