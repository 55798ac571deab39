package dev.thaw.rafs;

/** How chunks, or the table that describes them, are compressed. The order is that of the numbers in the blob table. */
public enum Codec {
    NONE(0x01, 1),
    /** A raw LZ4 block without any length prefix. */
    LZ4_BLOCK(0x02, 4),
    /** Occurs only in blobs that refer to an original tar.gz; it is never written here and cannot be decoded chunk by chunk. */
    GZIP(0x40, 0),
    /** One standalone frame. */
    ZSTD(0x80, 2);

    private static final Codec[] BY_NUMBER = values();

    private final int superBlockFlag;
    private final int tocFlag;

    Codec(int superBlockFlag, int tocFlag) {
        this.superBlockFlag = superBlockFlag;
        this.tocFlag = tocFlag;
    }

    /** The number in blob tables and CI headers. */
    int number() {
        return ordinal();
    }

    /** The bit in the RAFS super block's flags. */
    int superBlockFlag() {
        return superBlockFlag;
    }

    /** The bit in an entry of a blob's table of contents. */
    int tocFlag() {
        return tocFlag;
    }

    static Codec ofNumber(int number, String resource, long offset) throws CorruptImageException {
        if (number < 0 || number >= BY_NUMBER.length) {
            throw new CorruptImageException(
                    resource, offset, "unknown compressor number " + Integer.toUnsignedString(number));
        }
        return BY_NUMBER[number];
    }
}
