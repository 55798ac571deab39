package dev.thaw.operator.rollout;

import dev.thaw.crds.Names;
import dev.thaw.crds.SnapshotterConfig;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;

/**
 * Names and labels of what belongs to one SnapshotterConfig.
 *
 * @param config name of the SnapshotterConfig
 */
record AgentNames(String config) {
    /** Value of {@link Names#COMPONENT_LABEL} of the pods that keep mounts alive. */
    static final String HOLDER_COMPONENT = "node-holder";

    /** Value of {@link Names#COMPONENT_LABEL} of the pods that take containerd's configuration back. */
    static final String UNINSTALL_COMPONENT = "node-uninstall";

    /** The same where the configuration stays and a node has left it. */
    static final String LEAVE_COMPONENT = "node-leave";

    /** Pod annotation: a change of the agent's configuration changes it, and so rolls out. */
    static final String CONFIGURATION_HASH = "thaw.dev/configuration-hash";

    private static final int LONGEST = 45;

    static AgentNames of(SnapshotterConfig config) {
        return new AgentNames(config.getMetadata().getName());
    }

    /** DaemonSet of the agents, and ConfigMap with their configuration. */
    String agent() {
        return "thaw-agent-" + label();
    }

    String holder() {
        return "thaw-holder-" + label();
    }

    String uninstall() {
        return "thaw-uninstall-" + label();
    }

    String leave() {
        return "thaw-leave-" + label();
    }

    /** The name as a label's value: object names may have 253 characters, labels only 63. */
    String label() {
        return config.length() <= LONGEST
                ? config
                : config.substring(0, LONGEST - 9) + "-" + sha256(config).substring(0, 8);
    }

    Map<String, String> labels(String component) {
        return Map.of(
                "app.kubernetes.io/name",
                "thaw",
                Names.COMPONENT_LABEL,
                component,
                Names.MANAGED_BY_LABEL,
                Names.MANAGED_BY,
                Names.SNAPSHOTTER_CONFIG_LABEL,
                label());
    }

    /** What a DaemonSet selects its pods by: never changes, because Kubernetes does not let it. */
    Map<String, String> selector(String component) {
        return Map.of(Names.COMPONENT_LABEL, component, Names.SNAPSHOTTER_CONFIG_LABEL, label());
    }

    static String sha256(String text) {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
