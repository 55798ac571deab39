package dev.thaw.operator.node;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodCondition;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What matters here of a pod.
 *
 * @param node where it was bound; empty while it waits for a node
 * @param images references as its containers name them
 * @param over all its containers have ended for good
 * @param probed it is not ready before a probe says so
 * @param ready since when its condition Ready is true
 */
record WatchedPod(
        String namespace,
        String name,
        String uid,
        String node,
        Set<String> images,
        boolean over,
        boolean probed,
        Optional<Instant> scheduled,
        Optional<Instant> ready) {
    static WatchedPod of(Pod pod) {
        var metadata = pod.getMetadata();
        var spec = pod.getSpec();
        var status = pod.getStatus();
        var phase = status == null ? null : status.getPhase();
        return new WatchedPod(
                metadata.getNamespace(),
                metadata.getName(),
                Objects.requireNonNullElse(metadata.getUid(), ""),
                spec == null ? "" : Objects.requireNonNullElse(spec.getNodeName(), ""),
                images(pod),
                "Succeeded".equals(phase) || "Failed".equals(phase),
                isProbed(pod),
                since(pod, "PodScheduled"),
                since(pod, "Ready"));
    }

    private static boolean isProbed(Pod pod) {
        var spec = pod.getSpec();
        return spec != null
                && Stream.concat(stream(spec.getInitContainers()), stream(spec.getContainers()))
                        .anyMatch(container ->
                                container.getReadinessProbe() != null || container.getStartupProbe() != null);
    }

    private static Set<String> images(Pod pod) {
        var spec = pod.getSpec();
        if (spec == null) {
            return Set.of();
        }
        var containers = Stream.concat(stream(spec.getInitContainers()), stream(spec.getContainers()))
                .map(container -> container.getImage());
        var ephemeral = stream(spec.getEphemeralContainers()).map(container -> container.getImage());
        return Stream.concat(containers, ephemeral).filter(Objects::nonNull).collect(Collectors.toUnmodifiableSet());
    }

    private static Optional<Instant> since(Pod pod, String type) {
        var status = pod.getStatus();
        return stream(status == null ? null : status.getConditions())
                .filter(condition -> type.equals(condition.getType()) && "True".equals(condition.getStatus()))
                .map(PodCondition::getLastTransitionTime)
                .filter(Objects::nonNull)
                .map(Instant::parse)
                .findFirst();
    }

    private static <T> Stream<T> stream(@Nullable List<T> list) {
        return list == null ? Stream.of() : list.stream();
    }
}
