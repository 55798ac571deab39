package dev.thaw.operator.rollout;

import dev.thaw.crds.Names;
import dev.thaw.crds.SnapshotterConfig;
import dev.thaw.crds.SnapshotterConfigSpec;
import dev.thaw.operator.node.NodeReport;
import dev.thaw.operator.registry.RegistryEntry;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.DaemonSetBuilder;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Small clusters for tests. */
final class Fixtures {
    static final Instant NOW = Instant.parse("2026-11-01T12:00:00Z");
    static final RolloutSettings SETTINGS = new RolloutSettings(
            "thaw-system",
            "registry.example/thaw/agent:1",
            "thaw-agent",
            "IfNotPresent",
            List.of("pull"),
            "thaw-node-service.thaw-system.svc",
            9444,
            "thaw.dev",
            "thaw-node-ca",
            List.of(new RegistryEntry("registry.local:5000", true, Optional.empty())));

    private Fixtures() {}

    static SnapshotterConfig config(String name, SnapshotterConfigSpec spec) {
        var config = new SnapshotterConfig();
        config.setMetadata(new ObjectMetaBuilder()
                .withName(name)
                .withUid("uid-" + name)
                .withGeneration(1L)
                .withCreationTimestamp("2026-01-01T00:00:00Z")
                .build());
        config.setSpec(spec);
        return config;
    }

    static SnapshotterConfig config(String name, int priority, Map<String, String> selector) {
        return config(
                name,
                SnapshotterConfigSpec.builder()
                        .priority(priority)
                        .nodeSelector(selector)
                        .build());
    }

    static Node node(String name, boolean ready, Map<String, String> labels) {
        var all = new HashMap<>(labels);
        all.put("kubernetes.io/os", "linux");
        return new NodeBuilder()
                .withNewMetadata()
                .withName(name)
                .withLabels(all)
                .endMetadata()
                .withNewStatus()
                .addNewCondition()
                .withType("Ready")
                .withStatus(ready ? "True" : "Unknown")
                .endCondition()
                .endStatus()
                .build();
    }

    static Pod pod(String config, String component, String node, boolean initialized, boolean ready) {
        return new PodBuilder()
                .withNewMetadata()
                .withName(component + "-" + node)
                .withNamespace("thaw-system")
                .withLabels(new AgentNames(config).labels(component))
                .addToAnnotations(Names.SNAPSHOTTER_CONFIG_LABEL, config)
                .endMetadata()
                .withNewSpec()
                .withNodeName(node)
                .endSpec()
                .withNewStatus()
                .addNewCondition()
                .withType("Initialized")
                .withStatus(initialized ? "True" : "False")
                .endCondition()
                .addNewCondition()
                .withType("Ready")
                .withStatus(ready ? "True" : "False")
                .endCondition()
                .endStatus()
                .build();
    }

    static DaemonSet daemonSet(String name, String config, int desired, int updated) {
        return new DaemonSetBuilder()
                .withNewMetadata()
                .withName(name)
                .withNamespace("thaw-system")
                .withGeneration(1L)
                .withCreationTimestamp(NOW.toString())
                .addToLabels(Names.SNAPSHOTTER_CONFIG_LABEL, config)
                .addToAnnotations(Names.SNAPSHOTTER_CONFIG_LABEL, config)
                .endMetadata()
                .withNewSpec()
                .endSpec()
                .withNewStatus()
                .withObservedGeneration(1L)
                .withDesiredNumberScheduled(desired)
                .withUpdatedNumberScheduled(updated)
                .endStatus()
                .build();
    }

    static NodeReport report(String node, Instant received, String... problems) {
        return new NodeReport(
                node,
                "pod",
                received,
                "0.1",
                "2.1.9",
                "6.12",
                "erofs",
                "the kernel can",
                10,
                100,
                List.of(),
                List.of(problems));
    }
}
