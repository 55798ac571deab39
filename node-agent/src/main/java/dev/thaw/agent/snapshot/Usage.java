package dev.thaw.agent.snapshot;

/**
 * What a snapshot itself takes of the disk, its parents apart.
 *
 * @param sizeBytes allocated blocks, each inode counted once
 */
public record Usage(long sizeBytes, long inodes) {
    static final Usage NONE = new Usage(0, 0);
}
