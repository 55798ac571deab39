package dev.thaw.demo;

import dev.thaw.oci.Reference;
import io.fabric8.kubernetes.api.model.Pod;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/** What starts a pod's container from a lazy image, through the agent. */
interface ContainerRuntime {
    /** How long a container may stay silent before the demo goes on without a word of it. */
    long PATIENCE_SECONDS = 30;

    /** What it is, for the timeline. */
    String description();

    /** Pulls the image and starts the container of the pod. Returns when it has said its first line, or will say none. */
    Start start(Reference image, Pod pod, Timeline timeline) throws Exception;

    /**
     * How a container started.
     *
     * @param pullBegan when the runtime was told to pull the image
     * @param entrypoint when its process was executed, if the runtime lets us see it
     * @param fetchedAtEntrypoint bytes that the registry had sent by then, since the pull began
     * @param firstLine of its output
     */
    record Start(
            Instant pullBegan,
            Optional<Instant> entrypoint,
            long fetchedAtEntrypoint,
            Instant answered,
            Optional<String> firstLine) {}

    /** The labels by which kubelet tells containerd whose container it is. */
    static Map<String, String> labels(Pod pod) {
        return Map.of(
                "io.kubernetes.pod.namespace", pod.getMetadata().getNamespace(),
                "io.kubernetes.pod.name", pod.getMetadata().getName(),
                "io.kubernetes.pod.uid", pod.getMetadata().getUid(),
                "io.kubernetes.container.name", "main");
    }
}
