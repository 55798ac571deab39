package dev.thaw.rafs;

import java.io.IOException;

/**
 * A stretch of an untouched compressed layer that is decoded from one checkpoint on. Those of zstd have no window and begin with whole
 * bytes.
 *
 * <pre>
 *  off size field
 *    0    8 inOffset     first whole byte of the layer to be decoded
 *    8    8 outOffset    position in the tar of the first byte that comes of it
 *   16    8 windowStart  where the window lies among the windows of all spans
 *   24    4 inLength     bytes of the layer that are enough
 *   28    4 outLength    bytes of the tar that they make, headers between files included
 *   32    4 windowLength 0 … 32768
 *   36    1 carriedByte  the byte before inOffset
 *   37    1 bits         how many of its upper bits belong to the span, 0 … 7
 *   38    2 reserved
 * </pre>
 */
record Span(
        long inOffset,
        long outOffset,
        long windowStart,
        int inLength,
        int outLength,
        int windowLength,
        int carriedByte,
        int bits) {
    static final int BYTES = 40;
    static final int MAX_WINDOW_BYTES = 32 << 10;
    /** nydus makes spans of at most two chunks. */
    static final int MAX_OUT_BYTES = 64 << 20;

    static Span read(Image in, long at) throws CorruptImageException {
        in.require(at, BYTES, "span");
        return new Span(
                in.u63(at, "offset"),
                in.u63(at + 8, "offset"),
                in.u63(at + 16, "offset of a window"),
                in.i32(at + 24),
                in.i32(at + 28),
                in.i32(at + 32),
                in.u8(at + 36),
                in.u8(at + 37));
    }

    void write(ImageWriter out) throws IOException {
        out.u64(inOffset)
                .u64(outOffset)
                .u64(windowStart)
                .u32(inLength)
                .u32(outLength)
                .u32(windowLength)
                .u8(carriedByte)
                .u8(bits)
                .u16(0);
    }

    /** Holds it against the layer and the windows, so that its numbers can be used without a further check. */
    void check(Image in, long at, BlobInfo layer, long windowBytes) throws CorruptImageException {
        if (inLength <= 0 || inLength > 2 * MAX_OUT_BYTES || inOffset > layer.compressedSize() - inLength) {
            throw corrupt(
                    in,
                    at,
                    "of " + Integer.toUnsignedString(inLength) + " bytes at " + inOffset
                            + " does not lie in the layer");
        }
        if (outLength <= 0 || outLength > MAX_OUT_BYTES) {
            throw corrupt(in, at, "makes " + Integer.toUnsignedString(outLength) + " bytes");
        }
        if (outOffset >= BlobTable.MAX_UNCOMPRESSED_BYTES) {
            throw corrupt(in, at, "begins beyond 2^44 bytes");
        }
        if (windowLength < 0 || windowLength > MAX_WINDOW_BYTES || windowStart > windowBytes - windowLength) {
            throw corrupt(
                    in, at, "has a window of " + Integer.toUnsignedString(windowLength) + " bytes at " + windowStart);
        }
        if (bits > 7) {
            throw corrupt(in, at, "begins with " + bits + " bits of a byte");
        }
        if (layer.codec() == Codec.ZSTD && (bits != 0 || windowLength != 0)) {
            throw corrupt(in, at, "of zstd frames has a window or begins within a byte");
        }
    }

    private static CorruptImageException corrupt(Image in, long at, String reason) {
        return in.corrupt(at, "span " + reason);
    }
}
