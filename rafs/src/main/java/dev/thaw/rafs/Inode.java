package dev.thaw.rafs;

/**
 * One file of a bootstrap, as stat(2) would tell it.
 *
 * @param nid number of its 32-byte slot, which is also its inode number in a mounted image
 * @param mode type and permission bits, {@code S_IFMT | 07777}
 * @param sizeBytes length of the content, of the symlink's target or of the directory's blocks
 * @param uid unsigned 32 bits
 * @param gid unsigned 32 bits
 * @param mtimeSeconds since 1970, may be negative
 * @param mtimeNanos 0 … 999,999,999
 * @param nlink number of names; for a directory 2 plus its sub-directories
 * @param rdev device number in Linux' "new" encoding; 0 unless a device node
 * @param hasXattrs whether {@link Bootstrap#xattrs} has any
 */
public record Inode(
        long nid,
        int mode,
        long sizeBytes,
        int uid,
        int gid,
        long mtimeSeconds,
        int mtimeNanos,
        int nlink,
        int rdev,
        boolean hasXattrs) {

    public static final int TYPE_MASK = 0170000;
    public static final int TYPE_FIFO = 0010000;
    public static final int TYPE_CHARACTER_DEVICE = 0020000;
    public static final int TYPE_DIRECTORY = 0040000;
    public static final int TYPE_BLOCK_DEVICE = 0060000;
    public static final int TYPE_REGULAR = 0100000;
    public static final int TYPE_SYMLINK = 0120000;
    public static final int TYPE_SOCKET = 0140000;

    static boolean areNanos(int nanos) {
        return nanos >= 0 && nanos < 1_000_000_000;
    }

    /** The type bits of the mode, one of the {@code TYPE_} constants. */
    public int type() {
        return mode & TYPE_MASK;
    }

    /** The mode without the type: {@code 07777}. */
    public int permissions() {
        return mode & 07777;
    }

    public boolean isDirectory() {
        return type() == TYPE_DIRECTORY;
    }

    public boolean isRegular() {
        return type() == TYPE_REGULAR;
    }

    public boolean isSymlink() {
        return type() == TYPE_SYMLINK;
    }

    public int deviceMajor() {
        return (rdev >>> 8) & 0xfff;
    }

    public int deviceMinor() {
        return (rdev & 0xff) | ((rdev >>> 12) & ~0xff);
    }

    /** Linux' "new" encoding of a device number, as {@code rdev} holds it. */
    public static int rdev(int major, int minor) {
        return (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12);
    }
}
