package dev.thaw.rafs;

import java.io.IOException;

/**
 * The header that follows a blob's chunk table. It is 4096 bytes long and repeats what the bootstrap's blob table says, so that
 * a blob which does not belong to the bootstrap is noticed.
 *
 * <pre>
 *  off  size field
 *    0     4 magic            0xB10BB10B
 *    4     4 features
 *    8     4 compressor       of the table
 *   12     4 entries
 *   16     8 offset           of the table in the blob
 *   24     8 compressedSize
 *   32     8 uncompressedSize
 *   40     8 extrasOffset     in the table: where the checkpoints of a zran table begin
 *   48     8 extrasSize
 *   56     4 extrasCount      checkpoints
 * 4092     4 magic
 * </pre>
 */
final class CiHeader {
    private static final int MAGIC = 0xB10BB10B;
    private static final int TAIL = BlobInfo.CI_HEADER_BYTES - 4;

    private CiHeader() {}

    /** What follows the entries in a table. */
    record Extras(long offset, long size, int count) {
        static final Extras NONE = new Extras(0, 0, 0);
    }

    /** Of a header that was checked. */
    static Extras extras(Image in) throws CorruptImageException {
        return new Extras(in.u63(40, "offset of checkpoints"), in.u63(48, "size of checkpoints"), in.i32(56));
    }

    static void check(Image in, BlobInfo blob) throws CorruptImageException {
        if (in.size() != BlobInfo.CI_HEADER_BYTES) {
            throw in.corrupt(-1, "header of " + in.size() + " bytes");
        }
        require(in, in.i32(0) == MAGIC, 0, "magic is 0x%08x".formatted(in.i32(0)));
        require(in, in.i32(TAIL) == MAGIC, TAIL, "magic is 0x%08x".formatted(in.i32(TAIL)));
        require(in, in.i32(8) == blob.ciCodec().number(), 8, "compressor differs from the bootstrap's");
        require(in, in.i32(12) == blob.chunkCount(), 12, "number of chunks differs from the bootstrap's");
        require(in, in.i64(16) == blob.ciOffset(), 16, "offset differs from the bootstrap's");
        require(in, in.i64(24) == blob.ciCompressedSize(), 24, "stored size differs from the bootstrap's");
        require(in, in.i64(32) == blob.ciUncompressedSize(), 32, "size differs from the bootstrap's");
    }

    static void write(ImageWriter out, BlobInfo blob) throws IOException {
        write(out, blob, Extras.NONE);
    }

    static void write(ImageWriter out, BlobInfo blob, Extras extras) throws IOException {
        long start = out.position();
        out.u32(MAGIC)
                .u32(blob.features())
                .u32(blob.ciCodec().number())
                .u32(blob.chunkCount())
                .u64(blob.ciOffset())
                .u64(blob.ciCompressedSize())
                .u64(blob.ciUncompressedSize())
                .u64(extras.offset)
                .u64(extras.size)
                .u32(extras.count)
                .zeroTo(start + TAIL)
                .u32(MAGIC);
    }

    private static void require(Image in, boolean condition, int field, String reason) throws CorruptImageException {
        if (!condition) {
            throw in.corrupt(field, "chunk table header: " + reason);
        }
    }
}
