package dev.thaw.agent.image;

import dev.thaw.agent.AgentException;
import dev.thaw.oci.Digest;
import java.nio.file.Path;
import java.util.Collection;

/** What the snapshotter knows of lazy images. Safe for use by many threads. */
public interface LazyImages {
    /**
     * Whether layers of the image may be claimed: the table knows it, and its bootstrap is on disk and checked. Fetches the
     * bootstrap if need be, once for all callers. Why an image is not claimed is logged and metered here, never thrown.
     */
    boolean claim(Digest artifact);

    /** Number of layers of the lazy manifest, marker included. Only for an image that was claimed. */
    int layers(Digest artifact) throws AgentException;

    /** The mounted root of the whole image. Idempotent; blocks until it can be read. */
    Path mount(Digest artifact) throws AgentException;

    /** No snapshot refers to the image any more: its mount, its directory and its cache may go. Returns at once. */
    void release(Digest artifact);

    /** No container stands on the image any more; its layers are still recorded, and others may come. Returns at once. */
    void idle(Digest artifact);

    /** Mounts again, at start, what snapshot records refer to. Comes before any other call. */
    void restore(Collection<Digest> inUse) throws AgentException;
}
