package dev.thaw.agent.snapshot;

import dev.thaw.oci.Digest;
import java.time.Instant;

/** Hears what happens to lazy images in the snapshotter. Calls come from many threads and must not block. */
public interface SnapshotWatcher {
    /** Hears nothing. */
    SnapshotWatcher NONE = new SnapshotWatcher() {};

    /** The first layer of an image is asked for that no snapshot refers to yet. */
    default void pullBegan(Digest image, Instant at) {}

    /**
     * The root of a container can be read.
     *
     * @param key as containerd gave it: namespace, sequence number and client's key, joined by slashes
     */
    default void rootMounted(String key, Digest image, Instant at) {}

    /** The snapshot of that key is gone. */
    default void removed(String key) {}

    /** No snapshot refers to the image any longer. */
    default void imageReleased(Digest image) {}
}
