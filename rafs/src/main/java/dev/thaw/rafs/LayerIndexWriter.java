package dev.thaw.rafs;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdOutputStreamNoFinalizer;
import dev.thaw.rafs.scan.Checkpoint;
import dev.thaw.rafs.scan.LayerScan;
import dev.thaw.rafs.zstd.ZstdScan;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Describes one tar layer, compressed or not, that stays as it is: makes a small blob that says where in the layer each chunk of its
 * files lies. nydus calls it a reference to a tar ("OCI ref"), and for gzip, zran. For zstd it knows nothing of the kind: those blobs
 * have the same form with zstd as the codec, a span being whole frames, and are read by this code only.
 *
 * <pre>
 *  chunk table | its header | header | digests | header | bootstrap | header | ToC | header
 * </pre>
 *
 * The bytes depend on the layer and the options, and on nothing else.
 *
 * <p>Memory, beside what a {@link LayerBlobWriter} needs for entries and chunks: one chunk, and for each span its window, packed.
 *
 * <p>Not thread-safe. After any exception the blob is spoilt.
 */
public final class LayerIndexWriter {
    private static final int FEATURES = BlobInfo.FEATURE_ALIGNED
            | BlobInfo.FEATURE_CHUNK_INFO_V2
            | BlobInfo.FEATURE_SEPARATE
            | BlobInfo.FEATURE_INLINED_DIGESTS
            | BlobInfo.FEATURE_TAR_HEADERS
            | BlobInfo.FEATURE_TOC
            | BlobInfo.FEATURE_CAP_TAR_TOC;

    /** Windows are much alike, and small beside the layer; what they take is fetched before the first read. */
    private static final int TABLE_ZSTD_LEVEL = 9;

    private static final int PACKED_ZSTD_LEVEL = 1;

    private final LayerOptions options;
    private final long spanBytes;
    private final @Nullable LayerScan scan;
    private final LayerBlobOutput out;
    private final LayerTree tree = new LayerTree();
    private final LayerChunks chunks = new LayerChunks();
    /** None: whatever else has a layer's chunks, they are read where they lie in it. */
    private final SharedChunks shared = new SharedChunks(ChunkDictionary.EMPTY);

    private final List<OpenSpan> spans = new ArrayList<>();
    private final ChunkHasher hasher;
    private final byte[] chunk;
    private final byte[] digest = new byte[ChunkRecords.DIGEST_BYTES];
    /** By chunk: its span in the upper half, its offset there in the lower. */
    private long[] places = new long[64];

    private int packed;
    private long contentBytes;
    private long duplicateBytes;
    private long chunkUses;

    /** A span that chunks are still added to, or whose window is not packed yet. */
    private static final class OpenSpan {
        private final Checkpoint start;
        private long outEnd;
        private long inEnd;
        private byte @Nullable [] window;
        private int windowBytes;

        OpenSpan(Checkpoint start) {
            this.start = start;
        }
    }

    /**
     * @param out gets the blob; it is neither flushed nor closed
     * @param options its codec is of no account
     * @param scan that through which the layer is read, or null if it is a plain tar
     * @param spanBytes how much of the tar, about, is decoded from one checkpoint; a chunk that is larger has its own
     */
    public LayerIndexWriter(OutputStream out, LayerOptions options, @Nullable LayerScan scan, int spanBytes) {
        this.out = new LayerBlobOutput(out);
        this.options = options;
        this.scan = scan;
        this.spanBytes = spanBytes;
        this.hasher = new ChunkHasher(options.digest());
        this.chunk = new byte[options.chunkSizeBytes()];
    }

    /**
     * Adds the next entry, as {@link LayerBlobWriter#add} does.
     *
     * @param tarOffset where the content of a regular file begins in the tar; it must lie there in one piece
     * @throws NotIndexableException if the layer is compressed in such a way that its content cannot be reached
     */
    public void add(LayerEntry entry, @Nullable InputStream content, long tarOffset) throws IOException {
        tree.add(entry, file -> fill(file, entry, content, tarOffset));
    }

    private void fill(TreeNode node, LayerEntry entry, @Nullable InputStream content, long tarOffset)
            throws IOException {
        long size = entry.sizeBytes();
        if (size < 0 || (size > 0 && content == null)) {
            throw new IOException(entry.pathText() + ": file of " + size + " bytes without content");
        }
        if (size == 0 || content == null) {
            return;
        }
        var file = new LayerFile(chunks, shared);
        node.setContent(size, file);
        int ordinal = 0;
        for (long done = 0; done < size; ordinal++) {
            int length = (int) Math.min(options.chunkSizeBytes(), size - done);
            if (content.readNBytes(chunk, 0, length) < length) {
                throw new EOFException(entry.pathText() + ": content ended early");
            }
            hasher.digest(MemorySegment.ofArray(chunk).asSlice(0, length), digest);
            file.add(chunk(tarOffset + done, length, ordinal));
            done += length;
        }
        contentBytes += size;
        chunkUses += ordinal;
    }

    private int chunk(long begin, int length, int ordinal) throws IOException {
        int known = chunks.find(digest, length);
        if (scan == null) {
            duplicateBytes += known < 0 ? 0 : length;
            return known < 0 ? chunks.add(digest, length, begin, length, ordinal) : known;
        }
        // Asked for chunks that are known too, so that the scan may forget what lies before.
        var checkpoint = scan.checkpoint(begin);
        long storedStart = scan.storedEnd(begin);
        long storedEnd = scan.storedEnd(begin + length);
        if (known >= 0) {
            duplicateBytes += length;
            return known;
        }
        var span = span(checkpoint, begin + length);
        checkLength(begin + length - span.start.outOffset());
        span.outEnd = begin + length;
        span.inEnd = storedEnd;
        // Where the chunk's own bytes lie is for orientation only. Equal lengths would mean that it is not compressed.
        int stored = (int) Math.max(1, storedEnd - storedStart);
        stored += stored == length ? 1 : 0;
        // What zstd takes of the layer may make more than the chunk, so that nothing need lie behind its beginning.
        int added = chunks.add(digest, length, isZstd() ? storedEnd - stored : storedStart, stored, ordinal);
        if (added == places.length) {
            places = Arrays.copyOf(places, added * 2);
        }
        places[added] = (long) (spans.size() - 1) << 32 | begin - span.start.outOffset();
        return added;
    }

    private void checkLength(long spanBytes) throws NotIndexableException {
        if (isZstd() && spanBytes > ZstdScan.LONGEST_FRAME_BYTES) {
            throw new NotIndexableException(
                    "it is compressed with zstd in a frame of more than " + (ZstdScan.LONGEST_FRAME_BYTES >> 20)
                            + " MiB, and is only entered between frames; zstd:chunked, pzstd and seekable zstd make small ones");
        }
        if (spanBytes > Span.MAX_OUT_BYTES) {
            throw new NotIndexableException("it has a deflate block of more than " + (Span.MAX_OUT_BYTES >> 20)
                    + " MiB, and a stream is only entered between blocks");
        }
    }

    private boolean isZstd() {
        return scan instanceof ZstdScan;
    }

    /** A plain tar counts as gzip too: so nydus has it. */
    private Codec codec() {
        return isZstd() ? Codec.ZSTD : Codec.GZIP;
    }

    /** The span for a chunk that ends at {@code end}: the one before if that does not grow too long, or a new one. */
    private OpenSpan span(Checkpoint nearest, long end) {
        var last = spans.isEmpty() ? null : spans.getLast();
        if (last != null
                && (last.start == nearest
                        || (last.start.member() == nearest.member() && end - last.start.outOffset() <= spanBytes))) {
            return last;
        }
        pack();
        var opened = new OpenSpan(nearest);
        spans.add(opened);
        return opened;
    }

    private void pack() {
        for (; packed < spans.size() && spans.get(packed).start.isComplete(); packed++) {
            var span = spans.get(packed);
            byte[] window = span.start.window();
            span.windowBytes = window.length;
            span.window = Zstd.compress(window, PACKED_ZSTD_LEVEL);
        }
    }

    /**
     * Writes the blob, after the layer was read to its end.
     *
     * @param layerId sha256 of the layer as it is stored, 64 hex characters
     * @param layerBytes its length
     */
    public LayerBlob finish(String layerId, long layerBytes) throws IOException {
        return finishTo(layerId, layerBytes, null);
    }

    /** Like {@link #finish(String, long)}, and also leaves the layer's own bootstrap, not compressed, in a file. */
    public LayerBlob finish(String layerId, long layerBytes, Path bootstrap) throws IOException {
        return finishTo(layerId, layerBytes, bootstrap);
    }

    private LayerBlob finishTo(String layerId, long layerBytes, @Nullable Path bootstrapCopy) throws IOException {
        if (!BlobTable.isRealId(layerId)) {
            throw new IllegalArgumentException("layer id " + layerId + " is not 64 lower-case hex characters");
        }
        pack();
        var blobs = chunks.count() == 0 ? List.<BlobInfo>of() : List.of(writeTables(layerId, layerBytes));
        var bootstrap = new BootstrapWriter(
                tree.root(),
                blobs,
                new Records(),
                new BootstrapWriter.Settings(options.chunkSizeBytes(), codec(), options.digest(), true));
        out.writeBootstrap(bootstrap, options.zstdLevel(), bootstrapCopy);
        out.writeContents();
        return new LayerBlob(
                out.digest(),
                out.position(),
                contentBytes,
                duplicateBytes,
                0,
                chunks.deviceBytes(),
                chunks.count(),
                chunkUses,
                bootstrap.files(),
                bootstrap.inodes(),
                bootstrap.sizeBytes());
    }

    /** The chunk table, its header and the digests. */
    private BlobInfo writeTables(String layerId, long layerBytes) throws IOException {
        long entryBytes = (long) chunks.count() * CiEntry.V2_BYTES;
        long windowBytes = spans.stream().mapToLong(span -> span.windowBytes).sum();
        long spanTableBytes = (long) spans.size() * Span.BYTES + windowBytes;
        long tableBytes = entryBytes + spanTableBytes;
        var stored = new ByteArrayOutputStream();
        byte[] sha256;
        try (var zstd = new ZstdOutputStreamNoFinalizer(stored, TABLE_ZSTD_LEVEL)) {
            var raw = new DigestedOutput(zstd);
            writeTable(raw);
            sha256 = raw.sha256();
        }
        var codec = Codec.ZSTD;
        if (stored.size() >= tableBytes) {
            codec = Codec.NONE;
            stored.reset();
            writeTable(stored);
        }
        out.write(BlobSections.CHUNK_TABLE, codec, stored.toByteArray(), sha256, tableBytes);
        var blob = new BlobInfo(
                0,
                layerId,
                options.chunkSizeBytes(),
                chunks.count(),
                codec(),
                options.digest(),
                scan == null ? FEATURES : FEATURES | BlobInfo.FEATURE_ZRAN,
                layerBytes,
                chunks.deviceBytes(),
                0,
                stored.size(),
                tableBytes,
                codec,
                0,
                0);
        var extras =
                scan == null ? CiHeader.Extras.NONE : new CiHeader.Extras(entryBytes, spanTableBytes, spans.size());
        byte[] header = LayerBlobOutput.bytesOf(writer -> CiHeader.write(writer, blob, extras));
        out.write(BlobSections.CHUNK_TABLE_HEADER, Codec.NONE, header, header);
        out.writeTarHeader(BlobSections.CHUNK_TABLE, out.position());
        out.writeDigests(chunks::writeDigests);
        return blob;
    }

    private void writeTable(OutputStream to) throws IOException {
        var writer = new ImageWriter(to);
        chunks.writeTable(writer, scan == null ? null : places);
        long windowStart = 0;
        for (var span : spans) {
            var start = span.start;
            new Span(
                            start.inOffset(),
                            start.outOffset(),
                            windowStart,
                            Math.toIntExact(span.inEnd - start.inOffset()),
                            Math.toIntExact(span.outEnd - start.outOffset()),
                            span.windowBytes,
                            start.carriedByte(),
                            start.bits())
                    .write(writer);
            windowStart += span.windowBytes;
        }
        for (var span : spans) {
            if (span.window == null) {
                throw new IllegalStateException("the layer was not read to its end");
            }
            if (span.windowBytes > 0) {
                writer.bytes(Zstd.decompress(span.window, span.windowBytes));
            }
        }
        writer.flush();
    }

    private final class Records implements BootstrapWriter.RecordSource {
        @Override
        public int count() {
            return chunks.count();
        }

        @Override
        public void write(ImageWriter writer) throws IOException {
            chunks.writeRecords(shared, writer, options.chunkSizeBytes());
        }
    }
}
