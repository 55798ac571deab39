package dev.thaw.rafs;

/**
 * Where the fields of an inode lie. Inodes are read in place, so these are offsets and not a record.
 *
 * <pre>
 *           compact   extended
 *  format     0  u16    0  u16   bit 0 extended, bits 1..3 data layout
 *  xattrs     2  u16    2  u16   0, or 1 + bytes of xattr entries / 4
 *  mode       4  u16    4  u16
 *  nlink      6  u16   44  u32
 *  size       8  u32    8  u64
 *  data      16  u32   16  u32   block of a directory or symlink | chunk format of a file | device number
 *  ino       20  u32   20  u32
 *  uid       24  u16   24  u32
 *  gid       26  u16   28  u32
 *  mtime         -     32  u64   compact: the super block's
 *  nanos         -     40  u32
 *  reserved            48  16 B
 * </pre>
 */
final class InodeLayout {
    static final int SLOT_BYTES = 32;
    static final int COMPACT_BYTES = 32;
    static final int EXTENDED_BYTES = 64;

    static final int FORMAT_EXTENDED = 1;
    static final int LAYOUT_PLAIN = 0;
    static final int LAYOUT_INLINE = 2;
    static final int LAYOUT_CHUNKS = 4;

    static final int XATTRS = 2;
    static final int MODE = 4;
    static final int COMPACT_NLINK = 6;
    static final int SIZE = 8;
    static final int DATA = 16;
    static final int UID = 24;
    static final int COMPACT_GID = 26;
    static final int GID = 28;
    static final int MTIME = 32;
    static final int NANOS = 40;
    static final int NLINK = 44;
    /**
     * In a layer's own bootstrap: {@value #IMPLIED} if the layer had no entry for this directory, so that over a directory of a
     * lower layer it must not change the attributes. Reserved and not looked at by EROFS and nydus; 0 in merged bootstraps.
     */
    static final int RESERVED = 48;

    static final int IMPLIED = 1;

    /** Chunk format of a regular file: bits 0..4 are log2(chunk bytes) - 12 as the kernel takes them. */
    static final int CHUNK_BITS_MASK = 0x1f;
    /** Chunk format: entries have eight bytes. */
    static final int CHUNK_INDEXES = 0x20;

    static final int CHUNK_INDEX_BYTES = 8;
    static final int XATTR_HEADER_BYTES = 12;
    static final int MAX_SYMLINK_BYTES = 4095;

    private InodeLayout() {}
}
