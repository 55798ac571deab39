package dev.thaw.converter.tar;

import java.util.Map;

/**
 * One entry of an archive, as written there: nothing is cleaned or resolved.
 *
 * <p>Names are Latin-1 strings, one char for each byte, so that every byte sequence keeps its identity; {@link ByteNames} turns
 * them into bytes and into readable text.
 *
 * @param name path as stored, one char a byte
 * @param type what it is
 * @param mode permission bits with setuid, setgid and sticky, {@code 07777}
 * @param uid as stored, may exceed 32 bits
 * @param gid as stored, may exceed 32 bits
 * @param sizeBytes length of the content, holes of sparse files included; 0 for entries without content
 * @param mtimeSeconds since 1970, may be negative
 * @param mtimeNanos 0 … 999,999,999
 * @param linkName target of a symbolic or hard link, one char a byte; else empty
 * @param devMajor of a device node
 * @param devMinor of a device node
 * @param xattrs whole attribute name, one char a byte, to its raw value; sorted by name
 */
public record TarEntry(
        String name,
        Type type,
        int mode,
        long uid,
        long gid,
        long sizeBytes,
        long mtimeSeconds,
        int mtimeNanos,
        String linkName,
        long devMajor,
        long devMinor,
        Map<String, byte[]> xattrs) {

    /** What an entry is. */
    public enum Type {
        FILE,
        HARD_LINK,
        SYMLINK,
        CHARACTER_DEVICE,
        BLOCK_DEVICE,
        DIRECTORY,
        FIFO
    }
}
