package dev.thaw.agent.clock;

import dev.thaw.agent.image.ImageTraffic.Traffic;
import dev.thaw.oci.Digest;
import java.time.Instant;
import java.util.Optional;

/**
 * One start of one container on a lazy root. The fields are those of {@code thaw.node.v1.ColdStart}.
 *
 * @param containerId containerd's id of the container
 * @param namespace containerd's namespace of the container
 * @param podNamespace from the container's labels, like the three that follow; empty without Kubernetes
 * @param pullBegan when the first layer of the image was asked for; absent where the image was on the node already
 * @param rootMounted when the container's root could be read
 * @param started containerd's {@code /tasks/start}
 * @param traffic what the image's bytes cost between the pull's begin (or the root's mount, where there was no pull) and this
 *     report; {@code cachedBytes} and {@code totalBytes} as they stand
 * @param touchedBytes uncompressed bytes that reads asked for until this report
 * @param cold no layer of the image had been claimed and no byte of it cached before
 */
public record ColdStart(
        Digest artifact,
        String containerId,
        String namespace,
        String podNamespace,
        String podName,
        String podUid,
        String containerName,
        Optional<Instant> pullBegan,
        Instant rootMounted,
        Instant started,
        Traffic traffic,
        long touchedBytes,
        boolean cold) {}
