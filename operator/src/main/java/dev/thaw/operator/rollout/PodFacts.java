package dev.thaw.operator.rollout;

import dev.thaw.crds.Names;
import io.fabric8.kubernetes.api.model.Affinity;
import io.fabric8.kubernetes.api.model.ContainerState;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.Optional;
import java.util.stream.Stream;

/** What is to be known of an agent's pod and of a node. */
final class PodFacts {
    private PodFacts() {}

    static String component(Pod pod) {
        var labels = pod.getMetadata().getLabels();
        return labels == null ? "" : labels.getOrDefault(Names.COMPONENT_LABEL, "");
    }

    /** Name of the SnapshotterConfig that a pod belongs to. */
    static Optional<String> config(HasMetadata object) {
        var annotations = object.getMetadata().getAnnotations();
        return Optional.ofNullable(annotations).map(all -> all.get(Names.SNAPSHOTTER_CONFIG_LABEL));
    }

    /** The node of a DaemonSet's pod, also before the scheduler has bound it there. */
    static Optional<String> node(Pod pod) {
        if (pod.getSpec() == null) {
            return Optional.empty();
        }
        var bound = pod.getSpec().getNodeName();
        if (bound != null && !bound.isEmpty()) {
            return Optional.of(bound);
        }
        // the DaemonSet controller names the node in the affinity: metadata.name in (node)
        return Optional.ofNullable(pod.getSpec().getAffinity())
                .map(Affinity::getNodeAffinity)
                .map(affinity -> affinity.getRequiredDuringSchedulingIgnoredDuringExecution())
                .stream()
                .flatMap(required -> required.getNodeSelectorTerms().stream())
                .flatMap(term -> term.getMatchFields().stream())
                .filter(field -> "metadata.name".equals(field.getKey()))
                .flatMap(field -> field.getValues().stream())
                .findFirst();
    }

    static boolean isReady(Pod pod) {
        return holds(pod, "Ready") && pod.getMetadata().getDeletionTimestamp() == null;
    }

    /** True once the init containers have done their work: containerd knows the snapshotter, or no longer does. */
    static boolean isInitialized(Pod pod) {
        return holds(pod, "Initialized");
    }

    static boolean isReady(Node node) {
        return node.getStatus() != null
                && node.getStatus().getConditions().stream()
                        .anyMatch(condition ->
                                "Ready".equals(condition.getType()) && "True".equals(condition.getStatus()));
    }

    /** Why a pod's container does not run, as the container or the kubelet said it; empty while nothing is wrong. */
    static Optional<String> failure(Pod pod) {
        if (pod.getStatus() == null) {
            return Optional.empty();
        }
        var statuses = Stream.concat(
                pod.getStatus().getInitContainerStatuses().stream(), pod.getStatus().getContainerStatuses().stream());
        return statuses.flatMap(status -> failure(status).stream()).findFirst();
    }

    private static Optional<String> failure(ContainerStatus status) {
        var waiting = status.getState() == null ? null : status.getState().getWaiting();
        var ended = Stream.of(status.getState(), status.getLastState())
                .flatMap(state -> Optional.ofNullable(state).map(ContainerState::getTerminated).stream())
                .filter(terminated -> terminated.getExitCode() != null && terminated.getExitCode() != 0)
                .findFirst();
        boolean settled = waiting == null
                || waiting.getReason() == null
                || "ContainerCreating".equals(waiting.getReason())
                || "PodInitializing".equals(waiting.getReason());
        if (settled && (ended.isEmpty() || Boolean.TRUE.equals(status.getReady()))) {
            return Optional.empty();
        }
        var said = ended.map(terminated -> terminated.getMessage())
                .filter(message -> !message.isBlank())
                .or(() -> Optional.ofNullable(waiting).map(state -> state.getMessage()))
                .map(String::strip)
                .map(PodFacts::lastLine)
                .orElse("");
        var why = waiting != null && waiting.getReason() != null
                ? waiting.getReason()
                : ended.map(terminated -> "exit code " + terminated.getExitCode())
                        .orElse("");
        return Optional.of("container %s: %s%s".formatted(status.getName(), why, said.isEmpty() ? "" : ": " + said));
    }

    private static String lastLine(String text) {
        var line = text.substring(text.lastIndexOf('\n') + 1);
        return line.length() <= 300 ? line : line.substring(0, 300) + "…";
    }

    private static boolean holds(Pod pod, String condition) {
        return pod.getStatus() != null
                && pod.getStatus().getConditions().stream()
                        .anyMatch(found -> condition.equals(found.getType()) && "True".equals(found.getStatus()));
    }
}
