package dev.thaw.rafs;

import java.io.IOException;

/**
 * The extended super block behind that of EROFS, which only nydus and we read. The kernel never looks at it.
 *
 * <pre>
 *  off size field
 *    0    8 flags            FLAG_ bits, exactly one codec and one digest
 *    8    8 blobTableOffset  multiple of 4096
 *   16    4 blobTableSize    256 per blob
 *   20    4 chunkSize        power of two, 4096 … 16 MiB
 *   24    8 chunkTableOffset multiple of 4096
 *   32    8 chunkTableSize   80 per chunk
 *   40    8 prefetchOffset   0 if there is none
 *   48    4 prefetchSize     4 per entry
 *   52    4 padding
 *   56  200 reserved
 * </pre>
 */
record RafsSuperBlock(
        long flags,
        long blobTableOffset,
        long blobTableSize,
        int chunkSize,
        long chunkTableOffset,
        long chunkTableSize,
        long prefetchOffset,
        long prefetchSize) {
    static final long OFFSET = SuperBlock.OFFSET + SuperBlock.BYTES;
    static final int BYTES = 256;

    static final long FLAG_REAL_IDS = 0x10;
    static final long FLAG_HAS_XATTRS = 0x20;
    static final long FLAG_INLINED_DIGESTS = 0x100;
    static final long FLAG_TARFS = 0x200;
    static final long FLAG_ENCRYPTED = 0x02000000;

    private static final long CODEC_FLAGS = 0xc3;
    private static final long DIGEST_FLAGS = 0x0c;
    private static final long KNOWN_FLAGS = 0xff0003ffL;

    static RafsSuperBlock read(Image in, SuperBlock superBlock) throws CorruptImageException {
        long at = OFFSET;
        var block = new RafsSuperBlock(
                in.i64(at),
                in.i64(at + 8),
                in.u32(at + 16),
                in.i32(at + 20),
                in.i64(at + 24),
                in.i64(at + 32),
                in.i64(at + 40),
                in.u32(at + 48));
        block.checkFlags(in);
        require(
                in,
                block.chunkSize >= LayerOptions.MIN_CHUNK_BYTES
                        && block.chunkSize <= LayerOptions.MAX_CHUNK_BYTES
                        && Integer.bitCount(block.chunkSize) == 1,
                at + 20,
                "chunk size " + Integer.toUnsignedString(block.chunkSize)
                        + " is not a power of two from 4096 to 16777216");
        long tables = DeviceSlot.TABLE_OFFSET + (long) DeviceSlot.BYTES * superBlock.devices();
        in.require(DeviceSlot.TABLE_OFFSET, tables - DeviceSlot.TABLE_OFFSET, "device table");
        require(
                in,
                block.blobTableSize == (long) BlobTable.ENTRY_BYTES * superBlock.devices(),
                at + 16,
                "blob table of " + block.blobTableSize + " bytes does not fit " + superBlock.devices() + " devices");
        table(in, at + 8, "blob table", block.blobTableOffset, block.blobTableSize, SuperBlock.BLOCK_BYTES, tables);
        require(
                in,
                block.chunkTableSize % ChunkRecords.ENTRY_BYTES == 0,
                at + 32,
                "chunk table is cut inside an entry");
        table(in, at + 24, "chunk table", block.chunkTableOffset, block.chunkTableSize, SuperBlock.BLOCK_BYTES, tables);
        require(in, block.prefetchSize % 4 == 0, at + 48, "prefetch table is cut inside an entry");
        table(in, at + 40, "prefetch table", block.prefetchOffset, block.prefetchSize, 4, tables);
        apart(in, block.blobTableOffset, block.blobTableSize, block.chunkTableOffset, block.chunkTableSize);
        apart(in, block.blobTableOffset, block.blobTableSize, block.prefetchOffset, block.prefetchSize);
        apart(in, block.chunkTableOffset, block.chunkTableSize, block.prefetchOffset, block.prefetchSize);
        return block;
    }

    private void checkFlags(Image in) throws CorruptImageException {
        require(in, (flags & FLAG_TARFS) == 0, OFFSET, "this is a tarfs image, which cannot be read lazily");
        require(in, (flags & FLAG_ENCRYPTED) == 0, OFFSET, "this image is encrypted (AES-128-XTS), which is not read");
        require(
                in,
                (flags & ~KNOWN_FLAGS) == 0,
                OFFSET,
                "unknown flags 0x%x, made by a newer nydus?".formatted(flags & ~KNOWN_FLAGS));
        require(in, Long.bitCount(flags & CODEC_FLAGS) == 1, OFFSET, "flags name not exactly one compressor");
        require(in, Long.bitCount(flags & DIGEST_FLAGS) == 1, OFFSET, "flags name not exactly one digest");
    }

    /** The codec of the file system as a whole; a blob may have another. */
    Codec codec() {
        for (var codec : Codec.values()) {
            if ((flags & codec.superBlockFlag()) != 0) {
                return codec;
            }
        }
        throw new IllegalStateException("flags are checked");
    }

    DigestAlgorithm digest() {
        return (flags & DigestAlgorithm.SHA256.superBlockFlag()) != 0 ? DigestAlgorithm.SHA256 : DigestAlgorithm.BLAKE3;
    }

    void write(ImageWriter out) throws IOException {
        out.zeroTo(OFFSET)
                .u64(flags)
                .u64(blobTableOffset)
                .u32(blobTableSize)
                .u32(chunkSize)
                .u64(chunkTableOffset)
                .u64(chunkTableSize)
                .u64(prefetchOffset)
                .u32(prefetchSize)
                .zeroTo(OFFSET + BYTES);
    }

    private static void table(Image in, long field, String what, long offset, long size, long alignment, long behind)
            throws CorruptImageException {
        if (size == 0) {
            return;
        }
        in.require(offset, size, what);
        require(in, offset % alignment == 0, field, what + " at " + offset + " is not aligned");
        require(in, offset >= behind, field, what + " at " + offset + " lies in the device table");
    }

    private static void apart(Image in, long a, long aSize, long b, long bSize) throws CorruptImageException {
        require(in, aSize == 0 || bSize == 0 || a + aSize <= b || b + bSize <= a, OFFSET, "tables overlap");
    }

    private static void require(Image in, boolean condition, long offset, String reason) throws CorruptImageException {
        if (!condition) {
            throw in.corrupt(offset, reason);
        }
    }
}
