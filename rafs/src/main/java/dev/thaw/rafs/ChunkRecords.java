package dev.thaw.rafs;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The bootstrap's chunk table: one record per distinct chunk of a blob, sorted by digest and then blob. A view; nothing is copied.
 *
 * <pre>
 *  off size field
 *    0   32 digest             of the uncompressed chunk
 *   32    4 blobIndex
 *   36    4 flags              1 compressed, 2 hole, 4 encrypted, 8 batch, 0x10 has crc32
 *   40    4 compressedSize
 *   44    4 uncompressedSize
 *   48    8 compressedOffset
 *   56    8 uncompressedOffset
 *   64    8 fileOffset         of one of its users
 *   72    4 index              position in the blob's own chunk table
 *   76    4 crc32c             if flagged
 * </pre>
 */
final class ChunkRecords {
    static final int ENTRY_BYTES = 80;
    static final int DIGEST_BYTES = 32;
    static final int FLAG_COMPRESSED = 0x1;

    private static final int FLAG_CRC32 = 0x10;

    private final Image image;
    private final long start;
    private final int count;

    ChunkRecords(Image image, long start, int count) {
        this.image = image;
        this.start = start;
        this.count = count;
    }

    int count() {
        return count;
    }

    long position(int record) {
        return start + (long) record * ENTRY_BYTES;
    }

    void digest(int record, byte[] out) {
        MemorySegment.copy(image.bytes(), ValueLayout.JAVA_BYTE, position(record), out, 0, DIGEST_BYTES);
    }

    int blobIndex(int record) {
        return image.i32(position(record) + 32);
    }

    boolean isCompressed(int record) {
        return (image.i32(position(record) + 36) & FLAG_COMPRESSED) != 0;
    }

    int flags(int record) {
        return image.i32(position(record) + 36);
    }

    int compressedSize(int record) {
        return image.i32(position(record) + 40);
    }

    int uncompressedSize(int record) {
        return image.i32(position(record) + 44);
    }

    long compressedOffset(int record) {
        return image.i64(position(record) + 48);
    }

    long uncompressedOffset(int record) {
        return image.i64(position(record) + 56);
    }

    long fileOffset(int record) {
        return image.i64(position(record) + 64);
    }

    int chunkIndex(int record) {
        return image.i32(position(record) + 72);
    }

    /** Copies a record, putting another blob's position into it. */
    void write(int record, int blobIndex, ImageWriter out) throws IOException {
        long at = position(record);
        out.bytes(image.copy(at, 32)).u32(blobIndex).bytes(image.copy(at + 36, ENTRY_BYTES - 36));
    }

    /** Orders two records, perhaps of different bootstraps, by digest. */
    static int compareDigests(ChunkRecords a, int i, ChunkRecords b, int j) {
        long left = a.position(i);
        long right = b.position(j);
        for (int k = 0; k < DIGEST_BYTES; k++) {
            int order = a.image.u8(left + k) - b.image.u8(right + k);
            if (order != 0) {
                return order;
            }
        }
        return 0;
    }

    /** Holds a record against its blob, so that what it says can be used without a further check. */
    void check(int record, Bootstrap bootstrap) throws CorruptImageException {
        // Messages are made only where they are needed: there are as many calls as an image has chunks, before it is
        // mounted.
        int b = blobIndex(record);
        if (b < 0 || b >= bootstrap.blobs().size()) {
            throw corrupt(record, 32, "chunk of blob " + b + ", which is not listed");
        }
        var blob = bootstrap.blobs().get(b);
        int index = chunkIndex(record);
        if (index < 0 || index >= blob.chunkCount()) {
            throw corrupt(record, 72, "chunk number " + index + " is out of range");
        }
        int flags = flags(record);
        if ((flags & ~(FLAG_COMPRESSED | FLAG_CRC32)) != 0) {
            throw corrupt(record, 36, "chunk flags 0x%x are not read (hole, encrypted or batch)".formatted(flags));
        }
        int size = uncompressedSize(record);
        if (size <= 0 || size > blob.chunkSizeBytes()) {
            throw corrupt(record, 44, "chunk of " + Integer.toUnsignedString(size) + " bytes");
        }
        int stored = compressedSize(record);
        if (!isStoredSize(blob, stored, size, (flags & FLAG_COMPRESSED) != 0)) {
            throw corrupt(
                    record,
                    40,
                    "stored size " + Integer.toUnsignedString(stored) + " of a chunk of " + size + " bytes");
        }
        long offset = uncompressedOffset(record);
        if (offset < 0 || offset % SuperBlock.BLOCK_BYTES != 0 || offset > blob.uncompressedSize() - size) {
            throw corrupt(record, 56, "chunk lies outside of its device");
        }
        long storedOffset = compressedOffset(record);
        if (storedOffset < 0 || storedOffset > blob.dataBytes() - stored) {
            throw corrupt(record, 48, "chunk lies outside of its blob's data");
        }
    }

    private static boolean isStoredSize(BlobInfo blob, int stored, int size, boolean isCompressed) {
        if (blob.hasSpans()) {
            return stored >= 0;
        }
        return stored > 0 && (isCompressed ? stored <= 2 * blob.chunkSizeBytes() : stored == size);
    }

    private CorruptImageException corrupt(int record, int field, String reason) {
        return image.corrupt(position(record) + field, reason);
    }
}
