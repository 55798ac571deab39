package dev.thaw.operator.admission;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.Names;
import dev.thaw.oci.Reference;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClass;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;

/**
 * What becomes of one pod. Pure: the pod and the cluster in, the decision out; deciding again on the outcome changes
 * nothing.
 *
 * <pre>
 *  no annotation, kube-system, our own namespace         ──▶ Untouched
 *  no agent, no twin of the runtime class, no image …    ──▶ LeftAlone(why)
 *  a container's LazyImage is ready                      ──▶ Lazy: images swapped, runtime class, affinity
 *  none is ready, one is under way, thaw.dev/wait        ──▶ Waiting: the same, gated, images swapped later
 * </pre>
 */
sealed interface PodDecision {
    /** The pod does not ask for anything. */
    record Untouched() implements PodDecision {}

    /**
     * The pod asks, and stays as it is.
     *
     * @param why sentences for whoever made the pod
     * @param missing LazyImages to be made for the next pods
     */
    record LeftAlone(List<String> why, List<WantedImage> missing) implements PodDecision {}

    /**
     * The pod becomes lazy, now or when its conversions have ended.
     *
     * @param swapped container to its lazy image
     * @param waiting container to the LazyImage that it waits for; not empty for a gated pod
     */
    record Lazy(
            Pod pod,
            Map<String, String> swapped,
            Map<String, String> waiting,
            List<String> why,
            List<WantedImage> missing)
            implements PodDecision {}

    /** LazyImages to be made for this pod. */
    default List<WantedImage> wanted() {
        return switch (this) {
            case Untouched _ -> List.of();
            case LeftAlone left -> left.missing();
            case Lazy lazy -> lazy.missing();
        };
    }

    static PodDecision of(Pod pod, String namespace, ClusterFacts cluster, AdmissionSettings settings) {
        if (!LazyPod.asks(pod) || settings.excludes(namespace) || isMirror(pod)) {
            return new Untouched();
        }
        return new Decider(pod, namespace, cluster).decide();
    }

    /** A static pod's image in the API: the kubelet runs it whatever we write. */
    private static boolean isMirror(Pod pod) {
        return pod.getMetadata().getAnnotations().containsKey("kubernetes.io/config.mirror");
    }

    /** Collects the decision on one pod. */
    final class Decider {
        private static final String DEFAULT_HANDLER = "runc";

        private final Pod pod;
        private final String namespace;
        private final ClusterFacts cluster;
        private final Map<String, String> swapped = new LinkedHashMap<>();
        private final Map<String, String> waiting = new LinkedHashMap<>();
        private final List<String> why = new ArrayList<>();
        private final List<WantedImage> missing = new ArrayList<>();

        private Decider(Pod pod, String namespace, ClusterFacts cluster) {
            this.pod = pod;
            this.namespace = namespace;
            this.cluster = cluster;
        }

        private PodDecision decide() {
            LazyPod.containers(pod).forEach(this::decide);
            if (swapped.isEmpty() && waiting.isEmpty()) {
                return new LeftAlone(why, missing);
            }
            var obstacle = obstacle();
            if (obstacle.isPresent()) {
                return new LeftAlone(List.of(obstacle.get()), missing);
            }
            var twin = twin();
            if (twin.isEmpty()) {
                return new LeftAlone(why, missing);
            }
            var lazy = new LazyPod(pod);
            swapped.forEach(lazy::swap);
            waiting.forEach(lazy::hold);
            lazy.runBy(twin.get());
            return new Lazy(lazy.pod(), swapped, waiting, why, missing);
        }

        private Optional<String> obstacle() {
            var spec = pod.getSpec();
            var node = spec.getNodeName();
            if (node != null && !node.isEmpty()) {
                // the kubelet refuses a pod whose affinity its node does not meet
                return cluster.isAgentReadyOn(node)
                        ? Optional.empty()
                        : Optional.of("it is bound to node " + node + ", which takes no lazy pods");
            }
            if (!cluster.isAgentReady()) {
                return Optional.of("no node takes lazy pods yet (label " + Names.AGENT + "=" + Names.AGENT_READY + ")");
            }
            if (Boolean.FALSE.equals(spec.getHostUsers())) {
                return Optional.of("it has a user namespace of its own (hostUsers: false),"
                        + " for which containerd would read the whole image");
            }
            return spec.getOs() != null && "windows".equals(spec.getOs().getName())
                    ? Optional.of("it runs on Windows")
                    : Optional.empty();
        }

        private void decide(Container container) {
            if (LazyPod.isSwapped(pod, container)) {
                swapped.put(container.getName(), container.getImage());
                return;
            }
            var named = LazyPod.lazyImage(pod, container);
            var reference = Optional.ofNullable(container.getImage()).flatMap(ImageMatch::parse);
            if (reference.isEmpty() && named.isEmpty()) {
                why.add("container %s: its image is not a reference".formatted(container.getName()));
                return;
            }
            var image = named.isPresent()
                    ? cluster.lazyImage(namespace, named.get())
                    : ImageMatch.find(cluster.lazyImages(namespace), reference.get());
            if (image.isPresent()) {
                decide(container, image.get());
            } else if (named.isPresent()) {
                undecided(container, named.get());
            } else {
                unknown(container, reference.get());
            }
        }

        private void decide(Container container, LazyImage image) {
            var name = image.getMetadata().getName();
            switch (Conversion.of(image)) {
                case Conversion.Ready ready -> swapped.put(container.getName(), ready.image());
                case Conversion.Pending _ -> {
                    if (LazyPod.waits(pod)) {
                        waiting.put(container.getName(), name);
                    } else {
                        why.add("container %s: LazyImage %s is not ready yet".formatted(container.getName(), name));
                    }
                }
                case Conversion.Failed failed ->
                    why.add("container %s: LazyImage %s is not ready: %s"
                            .formatted(
                                    container.getName(), name, failed.reason().sentence()));
            }
        }

        /** A LazyImage is named that is not there: on a pod that waits already it may be on its way. */
        private void undecided(Container container, String name) {
            if (LazyPod.isGated(pod)) {
                waiting.put(container.getName(), name);
            } else {
                why.add("container %s: there is no LazyImage %s in namespace %s"
                        .formatted(container.getName(), name, namespace));
            }
        }

        private void unknown(Container container, Reference reference) {
            if (!cluster.mayMakeImages(namespace)) {
                why.add("container %s: no LazyImage of this namespace converts %s"
                        .formatted(container.getName(), reference));
                return;
            }
            if (reference.tag() != null && reference.tag().endsWith(Names.TAG_SUFFIX)) {
                why.add("container %s: %s looks like a lazy image itself".formatted(container.getName(), reference));
                return;
            }
            var wanted = WantedImage.of(namespace, container.getImage(), reference, pod);
            var refusal = cluster.whyNotMade(wanted);
            if (refusal.isPresent()) {
                why.add("container %s: no LazyImage is made for %s: %s"
                        .formatted(container.getName(), reference, refusal.get()));
                return;
            }
            missing.add(wanted);
            if (LazyPod.waits(pod)) {
                waiting.put(container.getName(), wanted.name());
            } else {
                why.add("container %s: LazyImage %s is made for the next pods if its repository takes it"
                        .formatted(container.getName(), wanted.name()));
            }
        }

        /** The lazy twin of the pod's own runtime class: the one whose handler is that of the own class, made lazy. */
        private Optional<RuntimeClass> twin() {
            var own = pod.getSpec().getRuntimeClassName();
            var handler = DEFAULT_HANDLER;
            if (own != null && !own.isEmpty()) {
                var found = cluster.runtimeClass(own);
                if (found.isEmpty()) {
                    why.add("its RuntimeClass " + own + " does not exist");
                    return Optional.empty();
                }
                if (found.get().getHandler().endsWith(Names.LAZY_SUFFIX)) {
                    return found;
                }
                handler = found.get().getHandler();
            }
            var name = handler + Names.LAZY_SUFFIX;
            var twin = cluster.runtimeClass(name).filter(found -> name.equals(found.getHandler()));
            if (twin.isEmpty()) {
                why.add("there is no RuntimeClass " + name
                        + ": name the handler in a SnapshotterConfig's spec.containerd.runtimeHandlers");
            }
            return twin;
        }
    }

    /** One line for the audit log and the warning. */
    static String sentence(List<String> why) {
        var text = new StringJoiner("; ");
        why.forEach(text::add);
        return text.toString();
    }
}
