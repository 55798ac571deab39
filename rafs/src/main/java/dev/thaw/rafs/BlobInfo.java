package dev.thaw.rafs;

/**
 * What a bootstrap says of one blob.
 *
 * @param index position in the blob table; the kernel's device number is one more
 * @param id 64 hex characters, the sha256 of the whole blob; 64 times {@code x} in a layer's own bootstrap, which cannot know it
 * @param chunkSizeBytes of the whole file system
 * @param chunkCount chunks in the blob, used or not
 * @param codec of the chunks
 * @param digester of the chunks
 * @param features {@code FEATURE_} bits
 * @param compressedSize bytes of the whole blob in a bootstrap merged here; other builders store other things, so do not rely on it
 * @param uncompressedSize length of the blob's device: all chunks uncompressed, each on a multiple of 4096
 * @param ciOffset where the chunk table's bytes start in the blob
 * @param ciCompressedSize its stored length; {@value #CI_HEADER_BYTES} bytes of header follow at once
 * @param ciUncompressedSize its decoded length
 * @param ciCodec how it is stored
 * @param tocSize bytes of the table of contents with its tar header, 0 when unknown
 * @param mappedBlock first 4096-byte block of the blob in the flat address space (one file for everything)
 * @param tableId of a blob that is an untouched layer: the sha256 of the blob that has its chunk table, 64 hex characters; empty in a
 *     layer's own bootstrap, which cannot know it, and for blobs that have their own table
 * @param tableBlobBytes length of that blob, or 0
 */
public record BlobInfo(
        int index,
        String id,
        int chunkSizeBytes,
        int chunkCount,
        Codec codec,
        DigestAlgorithm digester,
        int features,
        long compressedSize,
        long uncompressedSize,
        long ciOffset,
        long ciCompressedSize,
        long ciUncompressedSize,
        Codec ciCodec,
        int tocSize,
        long mappedBlock,
        String tableId,
        long tableBlobBytes) {

    /** Length of the header behind the chunk table's bytes. */
    public static final int CI_HEADER_BYTES = 4096;

    /** Chunks start on multiples of 4096 in the uncompressed space. */
    public static final int FEATURE_ALIGNED = 0x1;
    /** The bootstrap sits in the blob itself, so {@link #id} is a placeholder. */
    public static final int FEATURE_INLINED_BOOTSTRAP = 0x2;
    /** The chunk table has 24-byte entries. */
    public static final int FEATURE_CHUNK_INFO_V2 = 0x4;
    /** The chunk table has checkpoints of a compressed layer; see {@link SpanTable}. */
    public static final int FEATURE_ZRAN = 0x8;
    /** The blob is an untouched layer; its chunk table lies in another blob. */
    public static final int FEATURE_SEPARATE = 0x10;
    /** The blob holds the digests of its chunks. */
    public static final int FEATURE_INLINED_DIGESTS = 0x20;
    /** A 512-byte tar header follows each section of the blob. */
    public static final int FEATURE_TAR_HEADERS = 0x10000000;
    /** The blob ends with a table of contents. */
    public static final int FEATURE_TOC = 0x20000000;
    /** Chunk data ends where the chunk table starts, whatever {@link #compressedSize} says. */
    public static final int FEATURE_CAP_TAR_TOC = 0x40000000;

    /** A blob that has its own chunk table. */
    public BlobInfo(
            int index,
            String id,
            int chunkSizeBytes,
            int chunkCount,
            Codec codec,
            DigestAlgorithm digester,
            int features,
            long compressedSize,
            long uncompressedSize,
            long ciOffset,
            long ciCompressedSize,
            long ciUncompressedSize,
            Codec ciCodec,
            int tocSize,
            long mappedBlock) {
        this(
                index,
                id,
                chunkSizeBytes,
                chunkCount,
                codec,
                digester,
                features,
                compressedSize,
                uncompressedSize,
                ciOffset,
                ciCompressedSize,
                ciUncompressedSize,
                ciCodec,
                tocSize,
                mappedBlock,
                "",
                0);
    }

    public boolean has(int feature) {
        return (features & feature) != 0;
    }

    /** Whether {@link #id} stands for the blob that holds this bootstrap. */
    public boolean isPlaceholder() {
        return has(FEATURE_INLINED_BOOTSTRAP);
    }

    /** Whether the blob is an untouched layer: a tar, or a compressed one that is entered at checkpoints. */
    public boolean isLayer() {
        return has(FEATURE_SEPARATE);
    }

    /** Whether the blob is a compressed layer that is entered at checkpoints: by gzip, or, which nydus does not read, by zstd. */
    public boolean hasSpans() {
        return has(FEATURE_ZRAN);
    }

    /** Bytes of compressed chunks at the blob's start; no chunk reaches further. */
    public long dataBytes() {
        if (!has(FEATURE_CAP_TAR_TOC) || isLayer()) {
            return compressedSize;
        }
        return has(FEATURE_TAR_HEADERS) ? ciOffset - 512 : ciOffset;
    }

    BlobInfo mappedAt(long block) {
        return new BlobInfo(
                index,
                id,
                chunkSizeBytes,
                chunkCount,
                codec,
                digester,
                features,
                compressedSize,
                uncompressedSize,
                ciOffset,
                ciCompressedSize,
                ciUncompressedSize,
                ciCodec,
                tocSize,
                block,
                tableId,
                tableBlobBytes);
    }

    /** The same blob as a merged bootstrap lists it: by its real id and size, and those of the blob with its table. */
    BlobInfo merged(int newIndex, String realId, long sizeBytes, String realTableId, long realTableBlobBytes) {
        return new BlobInfo(
                newIndex,
                realId,
                chunkSizeBytes,
                chunkCount,
                codec,
                digester,
                features & ~FEATURE_INLINED_BOOTSTRAP,
                sizeBytes,
                uncompressedSize,
                ciOffset,
                ciCompressedSize,
                ciUncompressedSize,
                ciCodec,
                0,
                0,
                realTableId,
                realTableBlobBytes);
    }
}
