package dev.thaw.rafs;

import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * One entry of a layer, in the order and with the meaning of a tar file.
 *
 * @param path no leading slash, no trailing slash, no {@code .} or {@code ..}; empty for the root
 * @param kind what it is
 * @param mode permission bits with setuid, setgid and sticky; other bits are ignored
 * @param uid unsigned 32 bits
 * @param gid unsigned 32 bits
 * @param mtimeSeconds since 1970, may be negative
 * @param mtimeNanos 0 … 999,999,999
 * @param sizeBytes length of the content of a regular file, else 0
 * @param linkTarget the symlink's target as it is, or the path of a hard link's target in the form of {@code path}; else empty
 * @param devMajor of a device node, else 0
 * @param devMinor of a device node, else 0
 * @param xattrs whole names; those the format cannot hold are refused
 */
@SuppressWarnings("ArrayRecordComponent") // entries are passed on, never compared
public record LayerEntry(
        byte[] path,
        Kind kind,
        int mode,
        int uid,
        int gid,
        long mtimeSeconds,
        int mtimeNanos,
        long sizeBytes,
        byte[] linkTarget,
        int devMajor,
        int devMinor,
        List<Xattr> xattrs) {

    public LayerEntry {
        xattrs = List.copyOf(xattrs);
    }

    /** What an entry is. */
    public enum Kind {
        DIRECTORY(Inode.TYPE_DIRECTORY),
        FILE(Inode.TYPE_REGULAR),
        /** One more name for a regular file of the same layer. */
        HARD_LINK(0),
        SYMLINK(Inode.TYPE_SYMLINK),
        CHARACTER_DEVICE(Inode.TYPE_CHARACTER_DEVICE),
        BLOCK_DEVICE(Inode.TYPE_BLOCK_DEVICE),
        FIFO(Inode.TYPE_FIFO),
        SOCKET(Inode.TYPE_SOCKET);

        private final int typeBits;

        Kind(int typeBits) {
            this.typeBits = typeBits;
        }

        int typeBits() {
            return typeBits;
        }
    }

    /** The path for people; bytes that are no UTF-8 are replaced. */
    public String pathText() {
        return "/" + new String(path, StandardCharsets.UTF_8);
    }
}
