package dev.thaw.agent.image;

import dev.thaw.oci.Digest;
import java.util.Optional;

/**
 * One image on this node.
 *
 * @param cachedBytes uncompressed bytes of its chunks on disk
 * @param totalBytes uncompressed bytes of all its chunks
 * @param inUse whether it is mounted
 * @param attached containers that read it through this process
 * @param error the last one of a fetch or mount; empty when there was none
 * @param warmWanted how much of it the node is told to hold
 * @param warm how much of that it has held at the last look
 * @param warmError why it does not hold what is wanted; empty while it is being brought
 */
public record ImageState(
        Digest artifact,
        long cachedBytes,
        long totalBytes,
        boolean inUse,
        int attached,
        String error,
        Optional<WarmLevel> warmWanted,
        Optional<WarmLevel> warm,
        String warmError) {}
