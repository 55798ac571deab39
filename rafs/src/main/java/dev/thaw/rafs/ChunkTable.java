package dev.thaw.rafs;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The chunks of one blob: where each lies in the blob, where on the device, and its digest. Read from the blob itself it takes
 * 48 bytes of memory per chunk; as a bootstrap knows it, 4: all else is read in place. Every rule of the format has been
 * checked, so the queries cannot fail. Immutable and safe for use by many threads.
 */
public final class ChunkTable {
    private final BlobInfo blob;
    /** Numbers of the chunks that are known, ascending; null if all are. Rows go by position in it. */
    private final int @Nullable [] known;

    private final Rows rows;
    private final Spares<ChunkHasher> hashers;

    private ChunkTable(BlobInfo blob, int @Nullable [] known, Rows rows) {
        this.blob = blob;
        this.known = known;
        this.rows = rows;
        this.hashers = new Spares<>(() -> new ChunkHasher(blob.digester()));
    }

    /** What is known of each chunk. */
    private sealed interface Rows {
        int count();

        long offset(int k);

        int size(int k);

        long storedOffset(int k);

        int storedSize(int k);

        boolean isCompressed(int k);

        boolean beginsFile(int k);

        void digest(int k, byte[] out);

        boolean hasDigest(int k, byte[] digest);
    }

    /** Of a blob's own table: copied, in the form of version 1 entries ({@link CiEntry}). */
    private static final class CopiedRows implements Rows {
        /** Kept in a bit of the uncompressed word that version 1 leaves free. */
        private static final long COMPRESSED = 1;

        private final long[] uncompressed;
        private final long[] compressed;
        private final byte[] digests;

        CopiedRows(int count) {
            this.uncompressed = new long[count];
            this.compressed = new long[count];
            this.digests = new byte[Math.multiplyExact(count, ChunkRecords.DIGEST_BYTES)];
        }

        void set(int k, long offset, int size, long storedOffset, int stored, boolean isCompressed) {
            uncompressed[k] = CiEntry.uncompressedWord(offset, size) | (isCompressed ? COMPRESSED : 0);
            compressed[k] = CiEntry.compressedWord(storedOffset, stored);
        }

        @Override
        public int count() {
            return uncompressed.length;
        }

        @Override
        public long offset(int k) {
            return CiEntry.uncompressedOffset(uncompressed[k]);
        }

        @Override
        public int size(int k) {
            return CiEntry.uncompressedSize(uncompressed[k]);
        }

        @Override
        public long storedOffset(int k) {
            return CiEntry.compressedOffset(compressed[k]);
        }

        @Override
        public int storedSize(int k) {
            return CiEntry.compressedSize(compressed[k]);
        }

        @Override
        public boolean isCompressed(int k) {
            return (uncompressed[k] & COMPRESSED) != 0;
        }

        @Override
        public boolean beginsFile(int k) {
            return false;
        }

        @Override
        public void digest(int k, byte[] out) {
            System.arraycopy(digests, k * ChunkRecords.DIGEST_BYTES, out, 0, ChunkRecords.DIGEST_BYTES);
        }

        @Override
        public boolean hasDigest(int k, byte[] digest) {
            int at = k * ChunkRecords.DIGEST_BYTES;
            return Arrays.equals(digests, at, at + ChunkRecords.DIGEST_BYTES, digest, 0, ChunkRecords.DIGEST_BYTES);
        }
    }

    /** Of a bootstrap: its records, which stay where they are, in the order of the blob's chunks. */
    @SuppressWarnings("ArrayRecordComponent") // never compared, never handed out
    private record RecordRows(ChunkRecords records, int[] order) implements Rows {
        @Override
        public int count() {
            return order.length;
        }

        @Override
        public long offset(int k) {
            return records.uncompressedOffset(order[k]);
        }

        @Override
        public int size(int k) {
            return records.uncompressedSize(order[k]);
        }

        @Override
        public long storedOffset(int k) {
            return records.compressedOffset(order[k]);
        }

        @Override
        public int storedSize(int k) {
            return records.compressedSize(order[k]);
        }

        @Override
        public boolean isCompressed(int k) {
            return records.isCompressed(order[k]);
        }

        @Override
        public boolean beginsFile(int k) {
            return records.fileOffset(order[k]) == 0;
        }

        @Override
        public void digest(int k, byte[] out) {
            records.digest(order[k], out);
        }

        @Override
        public boolean hasDigest(int k, byte[] digest) {
            var own = new byte[ChunkRecords.DIGEST_BYTES];
            digest(k, own);
            return Arrays.equals(own, digest);
        }
    }

    /**
     * The table as the blob itself holds it.
     *
     * @param ciStored the {@link BlobInfo#ciCompressedSize} bytes at {@link BlobInfo#ciOffset}
     * @param ciHeader the {@link BlobInfo#CI_HEADER_BYTES} bytes behind them
     * @param digests 32 bytes per chunk, the section {@link BlobSections#DIGESTS}
     */
    public static ChunkTable of(BlobInfo blob, byte[] ciStored, byte[] ciHeader, byte[] digests)
            throws CorruptImageException {
        return of(
                blob, MemorySegment.ofArray(ciStored), MemorySegment.ofArray(ciHeader), MemorySegment.ofArray(digests));
    }

    /** Like {@link #of(BlobInfo, byte[], byte[], byte[])}; nothing of the segments is kept. */
    public static ChunkTable of(BlobInfo blob, MemorySegment ciStored, MemorySegment ciHeader, MemorySegment digests)
            throws CorruptImageException {
        String name = "chunk table of blob " + blob.id();
        CiHeader.check(new Image(ciHeader, name), blob);
        if (ciStored.byteSize() != blob.ciCompressedSize()) {
            throw new CorruptImageException(
                    name, -1, ciStored.byteSize() + " bytes, expected " + blob.ciCompressedSize());
        }
        if (digests.byteSize() != (long) ChunkRecords.DIGEST_BYTES * blob.chunkCount()) {
            throw new CorruptImageException(
                    name, -1, digests.byteSize() + " bytes of digests for " + blob.chunkCount() + " chunks");
        }
        var raw = ciStored;
        if (blob.ciCodec() != Codec.NONE) {
            raw = MemorySegment.ofArray(new byte[(int) blob.ciUncompressedSize()]);
            try (var decoder = new ChunkDecoder()) {
                decoder.decode(blob.ciCodec(), ciStored, raw);
            } catch (CorruptImageException e) {
                throw new CorruptImageException(name, -1, e.reason());
            }
        }
        var rows = new CopiedRows(blob.chunkCount());
        var rules = new Rules(blob, name);
        fill(rows, rules, new Image(raw, name));
        MemorySegment.ofArray(rows.digests).copyFrom(digests);
        rules.checkOrder(null, rows);
        return new ChunkTable(blob, null, rows);
    }

    private static void fill(CopiedRows rows, Rules rules, Image raw) throws CorruptImageException {
        boolean v2 = rules.blob.has(BlobInfo.FEATURE_CHUNK_INFO_V2);
        for (int i = 0; i < rows.count(); i++) {
            if (v2) {
                fillV2(rows, rules, raw, i);
            } else {
                long u = raw.i64((long) i * CiEntry.V1_BYTES);
                long c = raw.i64((long) i * CiEntry.V1_BYTES + 8);
                int size = CiEntry.uncompressedSize(u);
                int stored = CiEntry.compressedSize(c);
                put(
                        rows,
                        rules,
                        i,
                        CiEntry.uncompressedOffset(u),
                        size,
                        CiEntry.compressedOffset(c),
                        stored,
                        size != stored);
            }
        }
    }

    private static void fillV2(CopiedRows rows, Rules rules, Image raw, int i) throws CorruptImageException {
        long at = (long) i * CiEntry.V2_BYTES;
        long u = raw.i64(at);
        long c = raw.i64(at + 8);
        int flags = CiEntry.v2Flags(u);
        if ((flags & ~(CiEntry.V2_COMPRESSED | CiEntry.V2_CRC32)) != 0) {
            throw new CorruptImageException(
                    raw.name(), at, "chunk flags 0x%x are not read (zran, batch or encrypted)".formatted(flags));
        }
        if (CiEntry.v2CompressedSize(c) == 0) {
            throw new CorruptImageException(raw.name(), at + 8, "chunk " + i + " has no stored bytes");
        }
        put(
                rows,
                rules,
                i,
                CiEntry.v2UncompressedOffset(u),
                CiEntry.v2UncompressedSize(u),
                CiEntry.v2CompressedOffset(c),
                CiEntry.v2CompressedSize(c),
                (flags & CiEntry.V2_COMPRESSED) != 0);
    }

    private static void put(
            CopiedRows rows,
            Rules rules,
            int i,
            long offset,
            int size,
            long storedOffset,
            int stored,
            boolean isCompressed)
            throws CorruptImageException {
        rules.check(i, size, storedOffset, stored, isCompressed);
        rows.set(i, offset, size, storedOffset, stored, isCompressed);
    }

    /**
     * The table of one blob as the bootstrap knows it. It costs no request, and what vouches for the bootstrap vouches for it.
     * Chunks that no file refers to are absent. It can be used for as long as the bootstrap's bytes are there: until it is
     * closed, or, if {@link Bootstrap#map mapped}, for ever.
     */
    public static ChunkTable fromBootstrap(Bootstrap bootstrap, int blobIndex) throws CorruptImageException {
        Objects.checkIndex(blobIndex, bootstrap.blobs().size());
        return tables(bootstrap, blobIndex, blobIndex + 1).getFirst();
    }

    /** {@link #fromBootstrap(Bootstrap, int)} for all blobs at once, in the order of {@link Bootstrap#blobs()}. */
    public static List<ChunkTable> fromBootstrap(Bootstrap bootstrap) throws CorruptImageException {
        return tables(bootstrap, 0, bootstrap.blobs().size());
    }

    private static List<ChunkTable> tables(Bootstrap bootstrap, int from, int to) throws CorruptImageException {
        var records = bootstrap.chunkRecords();
        int[] counts = new int[to - from];
        for (int i = 0; i < records.count(); i++) {
            records.check(i, bootstrap);
            int b = records.blobIndex(i);
            if (b >= from && b < to) {
                counts[b - from]++;
            }
        }
        // Chunk number above, record below: sorting puts each blob's records in the order of its chunks.
        long[][] order = new long[to - from][];
        for (int b = 0; b < counts.length; b++) {
            order[b] = new long[counts[b]];
        }
        for (int i = records.count() - 1; i >= 0; i--) {
            int b = records.blobIndex(i);
            if (b >= from && b < to) {
                order[b - from][--counts[b - from]] = (long) records.chunkIndex(i) << 32 | i;
            }
        }
        var tables = new ArrayList<ChunkTable>();
        for (int b = 0; b < order.length; b++) {
            tables.add(table(bootstrap, bootstrap.blobs().get(from + b), records, order[b]));
        }
        return List.copyOf(tables);
    }

    private static ChunkTable table(Bootstrap bootstrap, BlobInfo blob, ChunkRecords records, long[] order)
            throws CorruptImageException {
        Arrays.sort(order);
        int[] known = new int[order.length];
        for (int k = 0; k < order.length; k++) {
            known[k] = (int) (order[k] >>> 32);
            if (k > 0 && known[k] == known[k - 1]) {
                throw new CorruptImageException(
                        bootstrap.name(), records.position((int) order[k]), "chunk " + known[k] + " is listed twice");
            }
        }
        int[] inOrder = new int[order.length];
        for (int k = 0; k < order.length; k++) {
            inOrder[k] = (int) order[k];
        }
        var rows = new RecordRows(records, inOrder);
        var rules = new Rules(blob, bootstrap.name());
        for (int k = 0; k < order.length; k++) {
            rules.check(known[k], rows.size(k), rows.storedOffset(k), rows.storedSize(k), rows.isCompressed(k));
        }
        var some = known.length == blob.chunkCount() ? null : known;
        rules.checkOrder(some, rows);
        return new ChunkTable(blob, some, rows);
    }

    /** The same, to be used after the bootstrap was closed. */
    ChunkTable copied() {
        var copy = new CopiedRows(rows.count());
        var digest = new byte[ChunkRecords.DIGEST_BYTES];
        for (int k = 0; k < rows.count(); k++) {
            copy.set(k, rows.offset(k), rows.size(k), rows.storedOffset(k), rows.storedSize(k), rows.isCompressed(k));
            rows.digest(k, digest);
            System.arraycopy(digest, 0, copy.digests, k * ChunkRecords.DIGEST_BYTES, ChunkRecords.DIGEST_BYTES);
        }
        return new ChunkTable(blob, known, copy);
    }

    public BlobInfo blob() {
        return blob;
    }

    /** Number of chunks, absent ones included. */
    public int count() {
        return blob.chunkCount();
    }

    /** Whether the table knows this chunk; always true for one read from the blob. */
    public boolean isPresent(int i) {
        return position(i) >= 0;
    }

    /** Whether the table knows chunk {@code i}, and has it there on the device and so long. */
    boolean has(int i, long deviceOffset, int lengthBytes) {
        int k = position(i);
        return k >= 0 && rows.offset(k) == deviceOffset && rows.size(k) == lengthBytes;
    }

    /** Byte position on the device, a multiple of 4096; 0 for an absent chunk. */
    public long uncompressedOffset(int i) {
        int k = position(i);
        return k < 0 ? 0 : rows.offset(k);
    }

    /** Bytes on the device; 0 for an absent chunk. */
    public int uncompressedLength(int i) {
        int k = position(i);
        return k < 0 ? 0 : rows.size(k);
    }

    /** Byte position in the blob; 0 for an absent chunk. */
    public long compressedOffset(int i) {
        int k = position(i);
        return k < 0 ? 0 : rows.storedOffset(k);
    }

    /** Stored bytes; 0 for an absent chunk. */
    public int compressedLength(int i) {
        int k = position(i);
        return k < 0 ? 0 : rows.storedSize(k);
    }

    /** Whether the stored bytes must be decoded with the blob's codec. */
    public boolean compressed(int i) {
        int k = position(i);
        return k >= 0 && rows.isCompressed(k);
    }

    /** Whether a file, the first that used it, begins with the chunk. Bootstraps tell that, blobs do not: of theirs none does. */
    public boolean beginsFile(int i) {
        int k = position(i);
        return k >= 0 && rows.beginsFile(k);
    }

    /** The chunk that holds this byte of the device; -1 between chunks, in an absent one, or beyond the end. */
    public int indexAt(long deviceOffset) {
        if (deviceOffset < 0 || deviceOffset >= blob.uncompressedSize() || rows.count() == 0) {
            return -1;
        }
        int low = 0;
        int high = rows.count() - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (rows.offset(middle) <= deviceOffset) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        long inside = deviceOffset - rows.offset(low);
        if (inside < 0 || inside >= rows.size(low)) {
            return -1;
        }
        return known == null ? low : known[low];
    }

    /** Whether {@code data} has the digest of chunk {@code i}. False for an absent chunk. */
    public boolean digestMatches(int i, MemorySegment data) {
        int k = position(i);
        if (k < 0 || data.byteSize() != rows.size(k)) {
            return false;
        }
        var hasher = hashers.take();
        try {
            var expected = new byte[ChunkRecords.DIGEST_BYTES];
            rows.digest(k, expected);
            return hasher.matches(data, expected);
        } finally {
            hashers.giveBack(hasher);
        }
    }

    /** Copies the digest of chunk {@code i} to {@code out[0..32)}; zeros for an absent chunk. */
    public void digest(int i, byte[] out) {
        int k = position(i);
        if (k < 0) {
            Arrays.fill(out, 0, ChunkRecords.DIGEST_BYTES, (byte) 0);
        } else {
            rows.digest(k, out);
        }
    }

    /** Whether this is the digest of chunk {@code i}, which must be present. */
    boolean hasDigest(int i, byte[] digest) {
        return rows.hasDigest(position(i), digest);
    }

    @Override
    public String toString() {
        return "ChunkTable[blob " + blob.id() + ", " + rows.count() + " of " + count() + " chunks]";
    }

    /** Where chunk {@code i} is in the arrays; negative if absent. */
    private int position(int i) {
        Objects.checkIndex(i, count());
        return known == null ? i : Arrays.binarySearch(known, i);
    }

    /** What must hold of a blob's chunks. */
    private record Rules(BlobInfo blob, String name) {
        void check(int i, int size, long storedOffset, int stored, boolean isCompressed) throws CorruptImageException {
            if (size > blob.chunkSizeBytes() || stored > LayerOptions.MAX_CHUNK_BYTES) {
                throw corrupt(
                        i, "has " + size + " bytes, stored " + stored + ", with chunks of " + blob.chunkSizeBytes());
            }
            if (storedOffset > blob.dataBytes() - stored) {
                throw corrupt(i, "is stored beyond the blob's " + blob.dataBytes() + " bytes of data");
            }
            if (!isCompressed && stored != size) {
                throw corrupt(i, "is not compressed but stored in another length");
            }
        }

        /** Chunks follow each other on the device without a gap; absent ones take up a block each, or more. */
        void checkOrder(int @Nullable [] known, Rows rows) throws CorruptImageException {
            long end = 0;
            int next = 0;
            for (int k = 0; k < rows.count(); k++) {
                int i = known == null ? k : known[k];
                long offset = rows.offset(k);
                checkGap(i, i - next, offset - end);
                end = Image.roundUp(offset + rows.size(k), SuperBlock.BLOCK_BYTES);
                next = i + 1;
            }
            checkGap(blob.chunkCount(), blob.chunkCount() - next, blob.uncompressedSize() - end);
        }

        private void checkGap(int i, int absentChunks, long gap) throws CorruptImageException {
            long least = (long) absentChunks * SuperBlock.BLOCK_BYTES;
            long most = absentChunks * Image.roundUp(blob.chunkSizeBytes(), SuperBlock.BLOCK_BYTES);
            if (gap < least || gap > most) {
                throw corrupt(i, "leaves a gap of " + gap + " bytes on the device before it");
            }
        }

        private CorruptImageException corrupt(int i, String reason) {
            return new CorruptImageException(name, -1, "chunk " + i + " " + reason);
        }
    }
}
