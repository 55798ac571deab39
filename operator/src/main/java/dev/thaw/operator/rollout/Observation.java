package dev.thaw.operator.rollout;

import dev.thaw.crds.SnapshotterConfig;
import dev.thaw.operator.node.NodeReport;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * What there is of one configuration. Looking changes nothing.
 *
 * @param configs every configuration of the cluster, this one among them
 * @param agent the agents' DaemonSet
 * @param uninstall the DaemonSet that gives containerd's configuration back
 * @param leave the DaemonSet that does so on nodes that left the configuration
 * @param pods of all of them
 * @param nodes of the cluster, by name
 * @param reports the last report of every node
 * @param unheeded sentences about what cannot be done as asked
 */
record Observation(
        SnapshotterConfig config,
        List<SnapshotterConfig> configs,
        Placement placement,
        Optional<DaemonSet> agent,
        Optional<DaemonSet> uninstall,
        Optional<DaemonSet> leave,
        List<Pod> pods,
        Map<String, Node> nodes,
        Map<String, NodeReport> reports,
        List<String> unheeded,
        Instant now) {
    Observation {
        configs = List.copyOf(configs);
        pods = List.copyOf(pods);
        nodes = Map.copyOf(nodes);
        reports = Map.copyOf(reports);
        unheeded = List.copyOf(unheeded);
    }

    static Map<String, Node> byName(Collection<Node> nodes) {
        return nodes.stream()
                .collect(Collectors.toMap(node -> node.getMetadata().getName(), Function.identity()));
    }

    static Map<String, NodeReport> byNode(Collection<NodeReport> reports) {
        return reports.stream().collect(Collectors.toMap(NodeReport::node, Function.identity()));
    }

    List<Pod> pods(String component) {
        return pods.stream()
                .filter(pod -> component.equals(PodFacts.component(pod)))
                .toList();
    }

    /** True if containerd still has the agent's configuration on a node where the agent no longer belongs. */
    boolean hasLeavingNodes() {
        var label = AgentNames.of(config).label();
        return nodes.values().stream()
                .map(NodeLabels::of)
                .anyMatch(labels -> labels.installed().filter(label::equals).isPresent()
                        && labels.agentOf().isEmpty());
    }

    /** True for a node that exists and whose kubelet answers. */
    boolean isUp(String node) {
        var found = nodes.get(node);
        return found != null && PodFacts.isReady(found);
    }

    /** A report that stands for an agent that is there. */
    Optional<NodeReport> freshReport(String node) {
        return Optional.ofNullable(reports.get(node)).filter(report -> report.isFresh(now));
    }
}
