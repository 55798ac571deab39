package dev.thaw.operator.admission;

import dev.thaw.crds.Names;
import io.fabric8.kubernetes.api.model.AffinityBuilder;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.NodeSelectorBuilder;
import io.fabric8.kubernetes.api.model.NodeSelectorRequirement;
import io.fabric8.kubernetes.api.model.NodeSelectorTerm;
import io.fabric8.kubernetes.api.model.NodeSelectorTermBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodSchedulingGate;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClass;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** The changes that make a pod lazy. Each leaves what is so already. The pod handed in is never changed. */
final class LazyPod {
    /** Pod label: the pod waits for a conversion, and the operator watches it. */
    static final String WAITING_LABEL = "thaw.dev/waiting";

    private static final NodeSelectorRequirement AGENT_READY =
            new NodeSelectorRequirement(Names.AGENT, "In", List.of(Names.AGENT_READY));

    private final Pod pod;

    LazyPod(Pod original) {
        pod = new PodBuilder(original).build();
        if (pod.getMetadata().getAnnotations() == null) {
            pod.getMetadata().setAnnotations(new HashMap<>());
        }
    }

    static boolean asks(Pod pod) {
        return "true".equals(annotations(pod).get(Names.LAZY));
    }

    static boolean waits(Pod pod) {
        return "true".equals(annotations(pod).get(Names.WAIT));
    }

    static boolean isGated(Pod pod) {
        return pod.getSpec() != null
                && pod.getSpec().getSchedulingGates().stream().anyMatch(gate -> Names.WAIT_GATE.equals(gate.getName()));
    }

    /** Every container that pulls an image: init containers first. */
    static List<Container> containers(Pod pod) {
        return Stream.concat(pod.getSpec().getInitContainers().stream(), pod.getSpec().getContainers().stream())
                .toList();
    }

    /** Name of the LazyImage that the pod's author, or the webhook, wrote down for a container. */
    static Optional<String> lazyImage(Pod pod, Container container) {
        return Optional.ofNullable(annotations(pod).get(Names.LAZY_IMAGE_PREFIX + container.getName()));
    }

    /** True for a container whose image has been swapped. */
    static boolean isSwapped(Pod pod, Container container) {
        return annotations(pod).containsKey(Names.ORIGINAL_IMAGE_PREFIX + container.getName());
    }

    private static Map<String, String> annotations(Pod pod) {
        return Optional.ofNullable(pod.getMetadata().getAnnotations()).orElse(Map.of());
    }

    /** Gives a container its lazy image and writes down the one that it had. */
    void swap(String container, String lazyImage) {
        for (var found : containers(pod)) {
            if (found.getName().equals(container) && !isSwapped(pod, found)) {
                annotate(Names.ORIGINAL_IMAGE_PREFIX + container, found.getImage());
                found.setImage(lazyImage);
            }
        }
    }

    /** Holds the pod until the LazyImage of that container is ready. */
    void hold(String container, String lazyImage) {
        annotate(Names.LAZY_IMAGE_PREFIX + container, lazyImage);
        if (!isGated(pod)) {
            pod.getSpec().getSchedulingGates().add(new PodSchedulingGate(Names.WAIT_GATE));
        }
        var labels = Optional.ofNullable(pod.getMetadata().getLabels())
                .map(HashMap::new)
                .orElseGet(HashMap::new);
        labels.put(WAITING_LABEL, "true");
        pod.getMetadata().setLabels(labels);
    }

    /** Lets the scheduler have the pod. */
    void release() {
        pod.getSpec()
                .setSchedulingGates(pod.getSpec().getSchedulingGates().stream()
                        .filter(gate -> !Names.WAIT_GATE.equals(gate.getName()))
                        .toList());
        if (pod.getMetadata().getLabels() != null) {
            pod.getMetadata().getLabels().remove(WAITING_LABEL);
        }
    }

    /** Runs the pod by a handler of the lazy snapshotter, on nodes that have one. */
    void runBy(RuntimeClass twin) {
        pod.getSpec().setRuntimeClassName(twin.getMetadata().getName());
        annotate(Names.RUNTIME_HANDLER, twin.getHandler());
        // the API server refuses a pod whose overhead is not that of its class
        pod.getSpec()
                .setOverhead(
                        twin.getOverhead() == null ? null : twin.getOverhead().getPodFixed());
        requireAgent();
    }

    /** Required terms are alternatives, so each of them gets the requirement; a term without any matches no node. */
    private void requireAgent() {
        var affinity = Optional.ofNullable(pod.getSpec().getAffinity())
                .map(AffinityBuilder::new)
                .orElseGet(AffinityBuilder::new)
                .editOrNewNodeAffinity();
        var required = affinity.hasRequiredDuringSchedulingIgnoredDuringExecution()
                ? affinity.buildRequiredDuringSchedulingIgnoredDuringExecution()
                : new NodeSelectorBuilder().build();
        var terms = required.getNodeSelectorTerms().isEmpty()
                ? List.of(new NodeSelectorTermBuilder()
                        .addToMatchExpressions(AGENT_READY)
                        .build())
                : required.getNodeSelectorTerms().stream()
                        .map(LazyPod::withAgent)
                        .toList();
        pod.getSpec()
                .setAffinity(
                        affinity.withRequiredDuringSchedulingIgnoredDuringExecution(new NodeSelectorBuilder(required)
                                        .withNodeSelectorTerms(terms)
                                        .build())
                                .endNodeAffinity()
                                .build());
    }

    private static NodeSelectorTerm withAgent(NodeSelectorTerm term) {
        boolean matchesNothing =
                term.getMatchExpressions().isEmpty() && term.getMatchFields().isEmpty();
        return matchesNothing || term.getMatchExpressions().contains(AGENT_READY)
                ? term
                : new NodeSelectorTermBuilder(term)
                        .addToMatchExpressions(AGENT_READY)
                        .build();
    }

    private void annotate(String key, String value) {
        pod.getMetadata().getAnnotations().put(key, value);
    }

    Pod pod() {
        return pod;
    }
}
