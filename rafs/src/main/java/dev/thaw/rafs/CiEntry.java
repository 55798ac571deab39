package dev.thaw.rafs;

/**
 * The bits of an entry of a blob's chunk table ("CI", compression information).
 *
 * <pre>
 * version 1: two words of 64 bits; s = size - 1 has 24 bits
 *   U  12..43 uncompressed offset in place | 8..11 s bits 20..23 | 44..63 s bits 0..19
 *   C   0..39 compressed offset            | 40..43 s bits 20..23 | 44..63 s bits 0..19
 *   a chunk is compressed if its two sizes differ
 * version 2: three words
 *   0   0..31 uncompressed offset / 4096   | 32..55 uncompressed size - 1 | 56..63 flags
 *   1   0..39 compressed offset            | 40..63 compressed size
 *   2   crc32c; of a zran chunk, 0..31 its offset in the span of a checkpoint, 32..63 the checkpoint's number
 * </pre>
 */
final class CiEntry {
    static final int V1_BYTES = 16;
    static final int V2_BYTES = 24;

    static final int V2_COMPRESSED = 0x1;
    static final int V2_ZRAN = 0x2;
    static final int V2_CRC32 = 0x10;

    private CiEntry() {}

    static long uncompressedWord(long offset, int size) {
        long s = size - 1L;
        return offset | s >>> 20 << 8 | (s & 0xfffff) << 44;
    }

    static long compressedWord(long offset, int size) {
        long s = size - 1L;
        return offset | s >>> 20 << 40 | (s & 0xfffff) << 44;
    }

    static long uncompressedOffset(long u) {
        return u & 0xfff_ffff_f000L;
    }

    static int uncompressedSize(long u) {
        return (int) (u >>> 44 | (u >>> 8 & 0xf) << 20) + 1;
    }

    static long compressedOffset(long c) {
        return c & 0xff_ffff_ffffL;
    }

    static int compressedSize(long c) {
        return (int) (c >>> 44 | (c >>> 40 & 0xf) << 20) + 1;
    }

    static long v2UncompressedWord(long offset, int size, int flags) {
        return offset >>> SuperBlock.BLOCK_BITS | (size - 1L) << 32 | (long) flags << 56;
    }

    static long v2CompressedWord(long offset, int size) {
        return offset | (long) size << 40;
    }

    static long v2UncompressedOffset(long word0) {
        return (word0 & 0xffffffffL) << 12;
    }

    static int v2UncompressedSize(long word0) {
        return (int) (word0 >>> 32 & 0xffffff) + 1;
    }

    static int v2Flags(long word0) {
        return (int) (word0 >>> 56);
    }

    static long v2CompressedOffset(long word1) {
        return word1 & 0xff_ffff_ffffL;
    }

    static int v2CompressedSize(long word1) {
        return (int) (word1 >>> 40);
    }
}
