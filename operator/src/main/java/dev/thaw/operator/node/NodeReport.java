package dev.thaw.operator.node;

import java.time.Duration;
import java.time.Instant;
import java.util.List;

/**
 * What the agent of one node last said of itself.
 *
 * @param node name of the Kubernetes node, found by TokenReview and never taken from the message
 * @param pod name of the agent's pod
 * @param received when the operator got this report
 * @param agentVersion version of the agent
 * @param containerdVersion version of containerd; empty where unknown
 * @param kernelVersion release of the kernel
 * @param driver {@code erofs} or {@code fuse}
 * @param driverReason why that driver
 * @param cacheBytes bytes of disk that the chunk cache uses
 * @param cacheCapacityBytes bytes of disk that it may use
 * @param images images that the node holds
 * @param problems sentences for a person, empty when all is well
 */
public record NodeReport(
        String node,
        String pod,
        Instant received,
        String agentVersion,
        String containerdVersion,
        String kernelVersion,
        String driver,
        String driverReason,
        long cacheBytes,
        long cacheCapacityBytes,
        List<Image> images,
        List<String> problems) {
    /** How long a report stands for an agent that is there. Agents report at least once a minute. */
    public static final Duration FRESH = Duration.ofSeconds(90);

    public NodeReport {
        images = List.copyOf(images);
        problems = List.copyOf(problems);
    }

    /** True while the agent may be taken to be there. */
    public boolean isFresh(Instant now) {
        return now.isBefore(received.plus(FRESH));
    }

    /** Containers on the node that would see input/output errors without the agent. */
    public int attached() {
        return images.stream().mapToInt(Image::attached).sum();
    }

    /** True if both say the same, whenever they said it. */
    boolean saysTheSameAs(NodeReport other) {
        return equals(other.at(received));
    }

    NodeReport at(Instant time) {
        return new NodeReport(
                node,
                pod,
                time,
                agentVersion,
                containerdVersion,
                kernelVersion,
                driver,
                driverReason,
                cacheBytes,
                cacheCapacityBytes,
                images,
                problems);
    }

    /**
     * One lazy image on the node.
     *
     * @param artifact digest of the artifact manifest
     * @param cachedBytes uncompressed bytes in the cache
     * @param totalBytes uncompressed bytes of the image
     * @param inUse a snapshot on the node refers to it
     * @param error the last error of a read, fetch or mount; empty when there was none
     * @param attached containers that read it through the agent
     * @param warmWanted what the node was told to hold of it
     * @param warm what of that it holds
     * @param warmError why it does not hold what is wanted; empty while it fetches
     */
    public record Image(
            String artifact,
            long cachedBytes,
            long totalBytes,
            boolean inUse,
            String error,
            int attached,
            WarmLevel warmWanted,
            WarmLevel warm,
            String warmError) {}
}
