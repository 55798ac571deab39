package dev.thaw.rafs;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;

/**
 * The blob table, which only nydus and we read.
 *
 * <pre>
 *  off size field
 *    0   64 id
 *   64    4 index              the entry's own position
 *   68    4 chunkSize          as in the RAFS super block
 *   72    4 chunkCount         at most 2^24
 *   76    4 compressor
 *   80    4 digester
 *   84    4 features
 *   88    8 compressedSize     below 2^40
 *   96    8 uncompressedSize   multiple of 4096, below 2^44
 *  104    4 tocSize
 *  108    4 ciCompressor
 *  112    8 ciOffset
 *  120    8 ciCompressedSize
 *  128    8 ciUncompressedSize 16 or 24 per chunk
 *  136   32 tocDigest          zeros: unknown
 *  168   32 tableId            sha256 of the blob with an untouched layer's chunk table; a key in encrypted blobs
 *  200    8 tableBlobBytes
 *  208    8 cipherIv
 *  216    4 cipher             0 none, 1 AES-128-XTS
 *  220   36 reserved
 * </pre>
 */
final class BlobTable {
    static final int ENTRY_BYTES = 256;
    static final int MAX_CHUNKS = 1 << 24;
    static final long MAX_COMPRESSED_BYTES = 1L << 40;
    static final long MAX_UNCOMPRESSED_BYTES = 1L << 44;
    static final String PLACEHOLDER_ID = "x".repeat(DeviceSlot.TAG_BYTES);

    private static final int TABLE_DIGEST_BYTES = 32;
    private static final byte[] UNKNOWN_DIGEST = new byte[TABLE_DIGEST_BYTES];
    /** Far above any real table; a guard against one that is made to fill a disk. */
    private static final long MAX_TABLE_BYTES = 2L << 30;

    private static final int FEATURE_TARFS = 0x40;
    private static final int FEATURE_BATCH = 0x80;
    private static final int FEATURE_ENCRYPTED = 0x100;
    private static final int FEATURE_DICTIONARY = 0x200;
    private static final int FEATURE_EXTERNAL = 0x800;
    /** The low half are features that a reader must know; 0x400 (hot files moved elsewhere) is not among ours. */
    private static final int UNKNOWN_FEATURES = 0xffff
            & ~(BlobInfo.FEATURE_ALIGNED
                    | BlobInfo.FEATURE_INLINED_BOOTSTRAP
                    | BlobInfo.FEATURE_CHUNK_INFO_V2
                    | BlobInfo.FEATURE_ZRAN
                    | BlobInfo.FEATURE_SEPARATE
                    | BlobInfo.FEATURE_INLINED_DIGESTS
                    | FEATURE_DICTIONARY);

    private BlobTable() {}

    static List<BlobInfo> read(Image in, SuperBlock superBlock, RafsSuperBlock rafs) throws CorruptImageException {
        var blobs = new ArrayList<BlobInfo>(superBlock.devices());
        var ids = new HashSet<String>();
        for (int i = 0; i < superBlock.devices(); i++) {
            var device = DeviceSlot.read(in, i);
            long at = rafs.blobTableOffset() + (long) i * ENTRY_BYTES;
            var blob = readEntry(in, at, device);
            new Entry(in, at, blob).check(i, device, rafs);
            if (!ids.add(blob.id())) {
                throw in.corrupt(at, "blob " + blob.id() + " is listed twice");
            }
            blobs.add(blob);
        }
        return List.copyOf(blobs);
    }

    private static BlobInfo readEntry(Image in, long at, DeviceSlot device) throws CorruptImageException {
        in.require(at, ENTRY_BYTES, "blob table entry");
        refuseByName(in, at, in.i32(at + 84), in.i32(at + 216));
        return new BlobInfo(
                in.i32(at + 64),
                in.ascii(at, DeviceSlot.TAG_BYTES),
                in.i32(at + 68),
                in.i32(at + 72),
                Codec.ofNumber(in.i32(at + 76), in.name(), at + 76),
                DigestAlgorithm.ofNumber(in.i32(at + 80), in.name(), at + 80),
                in.i32(at + 84),
                in.u63(at + 88, "compressed size"),
                in.u63(at + 96, "uncompressed size"),
                in.u63(at + 112, "chunk table offset"),
                in.u63(at + 120, "stored size of the chunk table"),
                in.u63(at + 128, "size of the chunk table"),
                Codec.ofNumber(in.i32(at + 108), in.name(), at + 108),
                in.i32(at + 104),
                device.mappedBlock(),
                tableId(in, at),
                (in.i32(at + 84) & BlobInfo.FEATURE_SEPARATE) == 0 ? 0 : in.u63(at + 200, "size of the table's blob"));
    }

    private static String tableId(Image in, long at) {
        byte[] digest = in.copy(at + 168, TABLE_DIGEST_BYTES);
        boolean isThere = (in.i32(at + 84) & BlobInfo.FEATURE_SEPARATE) != 0 && !Arrays.equals(digest, UNKNOWN_DIGEST);
        return isThere ? HexFormat.of().formatHex(digest) : "";
    }

    private static void refuseByName(Image in, long at, int features, int cipher) throws CorruptImageException {
        String kind = null;
        if (cipher != 0 || (features & FEATURE_ENCRYPTED) != 0) {
            kind = "is encrypted";
        } else if ((features & FEATURE_TARFS) != 0) {
            kind = "is a tar file (tarfs)";
        } else if ((features & FEATURE_BATCH) != 0) {
            kind = "compresses small chunks together (batch)";
        } else if ((features & FEATURE_EXTERNAL) != 0) {
            kind = "lies in a foreign storage (external)";
        }
        if (kind != null) {
            throw in.corrupt(at + 84, "a blob of this image " + kind + ", which is not read; convert the image again");
        }
        if ((features & UNKNOWN_FEATURES) != 0) {
            throw in.corrupt(
                    at + 84,
                    "unknown blob features 0x%x, made by a newer nydus?".formatted(features & UNKNOWN_FEATURES));
        }
        if (features < 0) {
            throw in.corrupt(at + 84, "feature bit 31 must never be stored");
        }
    }

    /** One entry with its position, to be held against the rules. */
    private record Entry(Image in, long at, BlobInfo blob) {
        void check(int index, DeviceSlot device, RafsSuperBlock rafs) throws CorruptImageException {
            require(isId(blob.id()), 0, "blob id is not 64 lower-case hex characters");
            require(blob.index() == index, 64, "blob index is " + blob.index() + " at position " + index);
            require(blob.chunkSizeBytes() == rafs.chunkSize(), 68, "chunk size differs from the super block's");
            require(
                    blob.chunkCount() > 0 && blob.chunkCount() <= MAX_CHUNKS,
                    72,
                    Integer.toUnsignedString(blob.chunkCount()) + " chunks; 1 to " + MAX_CHUNKS + " are allowed");
            require(blob.has(BlobInfo.FEATURE_ALIGNED), 84, "chunks are not aligned");
            require(blob.compressedSize() < MAX_COMPRESSED_BYTES, 88, "blob is larger than 2^40 bytes");
            require(
                    blob.uncompressedSize() < MAX_UNCOMPRESSED_BYTES
                            && blob.uncompressedSize() == device.blocks() * SuperBlock.BLOCK_BYTES,
                    96,
                    "uncompressed size " + blob.uncompressedSize() + " is not that of a device of " + device.blocks()
                            + " blocks");
            long entryBytes = blob.has(BlobInfo.FEATURE_CHUNK_INFO_V2) ? CiEntry.V2_BYTES : CiEntry.V1_BYTES;
            long least = entryBytes * blob.chunkCount();
            require(
                    blob.hasSpans()
                            ? blob.ciUncompressedSize() >= least && blob.ciUncompressedSize() <= MAX_TABLE_BYTES
                            : blob.ciUncompressedSize() == least,
                    128,
                    "chunk table of " + blob.ciUncompressedSize() + " bytes for " + blob.chunkCount() + " chunks");
            require(
                    blob.ciCompressedSize() > 0
                            && (blob.ciCodec() == Codec.NONE
                                    ? blob.ciCompressedSize() == blob.ciUncompressedSize()
                                    : blob.ciCompressedSize() <= blob.ciUncompressedSize()),
                    120,
                    "stored chunk table is longer than the table");
            require(
                    !blob.isLayer() || blob.has(BlobInfo.FEATURE_CHUNK_INFO_V2),
                    84,
                    "chunks lie in another blob, but the chunk table is not of version 2");
            require(!blob.hasSpans() || blob.isLayer(), 84, "zran checkpoints without a layer that they belong to");
            require(
                    !blob.hasSpans() || blob.codec() == Codec.GZIP || blob.codec() == Codec.ZSTD,
                    76,
                    "checkpoints of a layer that is compressed with neither gzip nor zstd");
            require(blob.ciOffset() < MAX_COMPRESSED_BYTES, 112, "chunk table starts beyond 2^40 bytes");
            require(blob.tocSize() >= 0, 104, "table of contents is larger than 2 GiB");
            require(blob.dataBytes() > 0, 112, "no room for chunks before the chunk table");
        }

        private void require(boolean condition, int field, String reason) throws CorruptImageException {
            if (!condition) {
                throw in.corrupt(at + field, reason);
            }
        }
    }

    private static boolean isId(String id) {
        if (id.length() != DeviceSlot.TAG_BYTES) {
            return false;
        }
        return id.equals(PLACEHOLDER_ID) || id.chars().allMatch(c -> (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
    }

    static boolean isRealId(String id) {
        return isId(id) && !id.equals(PLACEHOLDER_ID);
    }

    static void write(ImageWriter out, BlobInfo blob) throws IOException {
        long start = out.position();
        out.bytes(blob.id().getBytes(StandardCharsets.ISO_8859_1))
                .zeroTo(start + DeviceSlot.TAG_BYTES)
                .u32(blob.index())
                .u32(blob.chunkSizeBytes())
                .u32(blob.chunkCount())
                .u32(blob.codec().number())
                .u32(blob.digester().number())
                .u32(blob.features())
                .u64(blob.compressedSize())
                .u64(blob.uncompressedSize())
                .u32(blob.tocSize())
                .u32(blob.ciCodec().number())
                .u64(blob.ciOffset())
                .u64(blob.ciCompressedSize())
                .u64(blob.ciUncompressedSize())
                .zeroTo(start + 168)
                .bytes(HexFormat.of().parseHex(blob.tableId()))
                .zeroTo(start + 200)
                .u64(blob.tableBlobBytes())
                .zeroTo(start + ENTRY_BYTES);
    }
}
