package dev.thaw.converter.layer;

import java.util.SortedMap;

/**
 * One step of unpacking a layer. Paths are resolved: relative to the root, without {@code .}, {@code ..}, symbolic links of this
 * layer or doubled slashes, one char a byte; never empty.
 *
 * @param path where
 * @param kind what
 * @param attributes mode, owner, time and extended attributes; of no meaning for hard links and whiteouts
 * @param sizeBytes length of a file's content
 * @param linkTarget of a symlink as stored, of a hard link resolved like {@code path}; else empty
 * @param devMajor of a device node
 * @param devMinor of a device node
 * @param isImplied a directory that the layer does not list but needs: over a directory of a lower layer it keeps that one's
 *     attributes
 */
public record LayerItem(
        String path,
        Kind kind,
        Attributes attributes,
        long sizeBytes,
        String linkTarget,
        int devMajor,
        int devMinor,
        boolean isImplied) {

    /** What an item is. */
    public enum Kind {
        DIRECTORY,
        FILE,
        /** One more name for a regular file that came earlier in this layer. */
        HARD_LINK,
        SYMLINK,
        CHARACTER_DEVICE,
        BLOCK_DEVICE,
        FIFO,
        /** {@code .wh.NAME}: NAME of the lower layers is gone. The path still ends in {@code .wh.NAME}. */
        WHITEOUT,
        /** {@code .wh..wh..opq}: what lower layers have in this directory is gone. */
        OPAQUE
    }

    /** {@code ".wh."}, how the name of a deletion begins. */
    public static final String WHITEOUT_PREFIX = ".wh.";
    /** The name of the file that hides a directory's lower content. */
    public static final String OPAQUE_NAME = ".wh..wh..opq";

    /**
     * What a file has beside its content.
     *
     * @param mode permission bits with setuid, setgid and sticky
     * @param uid unsigned 32 bits
     * @param gid unsigned 32 bits
     * @param mtimeSeconds since 1970, not negative
     * @param mtimeNanos 0 … 999,999,999
     * @param xattrs whole name, one char a byte, to raw value
     */
    public record Attributes(
            int mode, int uid, int gid, long mtimeSeconds, int mtimeNanos, SortedMap<String, byte[]> xattrs) {}

    /** The last component of the path. */
    public String name() {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    /** The directory that holds it; empty for the root. */
    public String parent() {
        var slash = path.lastIndexOf('/');
        return slash < 0 ? "" : path.substring(0, slash);
    }
}
