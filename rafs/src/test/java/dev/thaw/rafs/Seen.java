package dev.thaw.rafs;

import java.util.Map;

/**
 * What can be told of one file of a tree, however it was read. Two trees are equal if the maps from path to this are.
 *
 * @param uid unsigned
 * @param gid unsigned
 * @param rdev {@code major:minor} of a device node, else empty
 * @param content sha256 of a regular file
 * @param firstName the smallest path of the same inode, which tells hard links
 */
public record Seen(
        int mode,
        long uid,
        long gid,
        long mtimeSeconds,
        int mtimeNanos,
        long nlink,
        long sizeBytes,
        String target,
        String rdev,
        Map<String, String> xattrs,
        String content,
        String firstName) {}
