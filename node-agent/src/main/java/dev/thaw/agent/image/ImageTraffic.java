package dev.thaw.agent.image;

import dev.thaw.oci.Digest;
import java.time.Duration;

/** What reading an image has cost so far. */
public interface ImageTraffic {
    /** Counts since the image was claimed on this node; all zero for an image that is not here. */
    Traffic of(Digest artifact);

    /**
     * What reading one image has cost.
     *
     * @param demand fetched because a read waited for it
     * @param ahead fetched in the expectation of a read: windows of sequential readers, learned and configured prefetch
     * @param background fetched to fill the rest of the image
     * @param waited time that reads waited for the network, summed over readers
     * @param touchedBytes uncompressed bytes that processes' reads asked for
     * @param cachedBytes uncompressed bytes of the image's chunks on disk
     * @param totalBytes uncompressed bytes of all chunks of the image
     */
    record Traffic(
            Flow demand,
            Flow ahead,
            Flow background,
            Duration waited,
            long touchedBytes,
            long cachedBytes,
            long totalBytes) {
        public static final Traffic NONE = new Traffic(Flow.NONE, Flow.NONE, Flow.NONE, Duration.ZERO, 0, 0, 0);
    }

    /**
     * One kind of fetching.
     *
     * @param bytes as they came over the network
     */
    record Flow(long bytes, long requests) {
        public static final Flow NONE = new Flow(0, 0);
    }
}
