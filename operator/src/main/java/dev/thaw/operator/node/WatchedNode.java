package dev.thaw.operator.node;

import io.fabric8.kubernetes.api.model.Node;
import java.util.Map;
import java.util.Objects;

/**
 * What matters here of a node of the cluster.
 *
 * @param platform os/architecture; empty while the node has not said
 */
record WatchedNode(String name, Map<String, String> labels, String platform) {
    static WatchedNode of(Node node) {
        var labels = Objects.requireNonNullElse(node.getMetadata().getLabels(), Map.<String, String>of());
        var status = node.getStatus();
        var info = status == null ? null : status.getNodeInfo();
        return new WatchedNode(
                node.getMetadata().getName(),
                Map.copyOf(labels),
                info == null ? "" : info.getOperatingSystem() + "/" + info.getArchitecture());
    }

    boolean has(Map<String, String> wanted) {
        return labels.entrySet().containsAll(wanted.entrySet());
    }

    /** Whether an image of that platform, os/architecture[/variant], runs on the node. */
    boolean runs(String imagePlatform) {
        return !platform.isEmpty() && (imagePlatform.equals(platform) || imagePlatform.startsWith(platform + "/"));
    }
}
