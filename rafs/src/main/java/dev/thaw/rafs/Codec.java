package dev.thaw.rafs;

/** How chunks, or the table that describes them, are compressed. */
public enum Codec {
    NONE(0, 0x01, 1),
    /** A raw LZ4 block without any length prefix. */
    LZ4_BLOCK(1, 0x02, 4),
    /** Of layers that stay as they are: not decoded chunk by chunk but from checkpoints, see {@link SpanTable}. */
    GZIP(2, 0x40, 0),
    /** One standalone frame. */
    ZSTD(3, 0x80, 2);

    private final int number;
    private final int superBlockFlag;
    private final int tocFlag;

    Codec(int number, int superBlockFlag, int tocFlag) {
        this.number = number;
        this.superBlockFlag = superBlockFlag;
        this.tocFlag = tocFlag;
    }

    /** The number in blob tables and CI headers. */
    int number() {
        return number;
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
        return switch (number) {
            case 0 -> NONE;
            case 1 -> LZ4_BLOCK;
            case 2 -> GZIP;
            case 3 -> ZSTD;
            default ->
                throw new CorruptImageException(
                        resource, offset, "unknown compressor number " + Integer.toUnsignedString(number));
        };
    }
}
