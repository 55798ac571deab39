package dev.thaw.rafs;

/** What chunks are digested with; 32 bytes either way. */
public enum DigestAlgorithm {
    BLAKE3(0, 0x04),
    SHA256(1, 0x08);

    private final int number;
    private final int superBlockFlag;

    DigestAlgorithm(int number, int superBlockFlag) {
        this.number = number;
        this.superBlockFlag = superBlockFlag;
    }

    int number() {
        return number;
    }

    int superBlockFlag() {
        return superBlockFlag;
    }

    static DigestAlgorithm ofNumber(int number, String resource, long offset) throws CorruptImageException {
        return switch (number) {
            case 0 -> BLAKE3;
            case 1 -> SHA256;
            default ->
                throw new CorruptImageException(
                        resource, offset, "unknown digest number " + Integer.toUnsignedString(number));
        };
    }
}
