package dev.thaw.agent.image;

import dev.thaw.oci.Digest;

/**
 * One image on this node.
 *
 * @param cachedBytes uncompressed bytes of its chunks on disk
 * @param totalBytes uncompressed bytes of all its chunks
 * @param inUse whether it is mounted
 * @param attached containers that read it through this process
 * @param error the last one of a fetch or mount; empty when there was none
 */
public record ImageState(
        Digest artifact, long cachedBytes, long totalBytes, boolean inUse, int attached, String error) {}
