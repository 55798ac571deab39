/** Chunks of blobs on the node's disk: one sparse file for each blob, which is also what mounts read. */
@NullMarked
package dev.thaw.agent.cache;

import org.jspecify.annotations.NullMarked;
