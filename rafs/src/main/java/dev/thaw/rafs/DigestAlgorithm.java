package dev.thaw.rafs;

/** What chunks are digested with; 32 bytes either way. The order is that of the numbers in the blob table. */
public enum DigestAlgorithm {
    BLAKE3(0x04),
    SHA256(0x08);

    private static final DigestAlgorithm[] BY_NUMBER = values();

    private final int superBlockFlag;

    DigestAlgorithm(int superBlockFlag) {
        this.superBlockFlag = superBlockFlag;
    }

    int number() {
        return ordinal();
    }

    int superBlockFlag() {
        return superBlockFlag;
    }

    static DigestAlgorithm ofNumber(int number, String resource, long offset) throws CorruptImageException {
        if (number < 0 || number >= BY_NUMBER.length) {
            throw new CorruptImageException(
                    resource, offset, "unknown digest number " + Integer.toUnsignedString(number));
        }
        return BY_NUMBER[number];
    }
}
