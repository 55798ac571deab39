package dev.thaw.rafs;

/**
 * What decides, beside its entries, the bytes of a layer blob.
 *
 * @param chunkSizeBytes a power of two, 4096 … 16 MiB; all layers of an image must agree on it
 * @param codec NONE, LZ4_BLOCK or ZSTD
 * @param digest of the chunks
 * @param zstdLevel of chunks and tables when the codec is ZSTD; the bootstrap is compressed with it in any case
 */
public record LayerOptions(int chunkSizeBytes, Codec codec, DigestAlgorithm digest, int zstdLevel) {
    static final int MIN_CHUNK_BYTES = 4096;
    static final int MAX_CHUNK_BYTES = 16 << 20;

    /** 1 MiB chunks, zstd level 3 and sha256. */
    public static final LayerOptions DEFAULT = new LayerOptions(1 << 20, Codec.ZSTD, DigestAlgorithm.SHA256, 3);

    public LayerOptions {
        if (chunkSizeBytes < MIN_CHUNK_BYTES
                || chunkSizeBytes > MAX_CHUNK_BYTES
                || Integer.bitCount(chunkSizeBytes) != 1) {
            throw new IllegalArgumentException(
                    "chunk size " + chunkSizeBytes + " is not a power of two from 4096 to 16777216");
        }
        if (codec == Codec.GZIP) {
            throw new IllegalArgumentException("chunks cannot be written with gzip; choose zstd, lz4 or none");
        }
        if (zstdLevel < 1 || zstdLevel > 22) {
            throw new IllegalArgumentException("zstd level " + zstdLevel + " is not within 1 to 22");
        }
    }
}
