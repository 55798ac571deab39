package dev.thaw.converter.published;

import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.report.Progress;
import dev.thaw.converter.report.StopSignal;
import dev.thaw.oci.Digest;
import dev.thaw.rafs.BlobInfo;
import dev.thaw.rafs.BlobSections;
import dev.thaw.rafs.ChunkDecoder;
import dev.thaw.rafs.ChunkTable;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.SpanTable;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * The chunks of one published blob, each of which was fetched, decoded and checked against its digest.
 *
 * <p>Memory: 33 bytes for each chunk of the blob, and while reading, two chunks.
 */
final class BlobContents {
    /** Gaps up to this size are read and thrown away rather than asked for anew. */
    private static final long GAP_BYTES = 1 << 20;

    private static final int CI_HEADER_BYTES = 4096;
    private static final int DIGEST_BYTES = 32;

    private final String id;
    private final ChunkTable table;
    private final byte[] sha256;
    private final BitSet read = new BitSet();

    private BlobContents(String id, ChunkTable table) {
        this.id = id;
        this.table = table;
        this.sha256 = new byte[Math.multiplyExact(DIGEST_BYTES, table.count())];
    }

    /**
     * Reads all chunks that the bootstrap uses.
     *
     * @param used by the bootstrap's own account: chunks with their digests
     */
    static BlobContents read(
            Repository repository, ChunkTable used, long blobSizeBytes, Progress progress, StopSignal stop)
            throws IOException, CorruptImageException {
        var contents = new BlobContents(used.blob().id(), used);
        if (used.blob().hasSpans()) {
            contents.readSpans(repository, blobSizeBytes, progress, stop);
        } else {
            contents.compareWithOwnTable(repository, blobSizeBytes);
            contents.readChunks(repository, progress, stop);
        }
        return contents;
    }

    /** The blob describes its chunks itself too, and readers may go by that. */
    private void compareWithOwnTable(Repository repository, long blobSizeBytes)
            throws IOException, CorruptImageException {
        var own = ownTable(repository, table.blob(), blobSizeBytes);
        var ours = new byte[DIGEST_BYTES];
        var theirs = new byte[DIGEST_BYTES];
        for (var i = 0; i < table.count(); i++) {
            if (!table.isPresent(i)) {
                continue;
            }
            table.digest(i, ours);
            own.digest(i, theirs);
            if (table.uncompressedOffset(i) != own.uncompressedOffset(i)
                    || table.uncompressedLength(i) != own.uncompressedLength(i)
                    || table.compressedOffset(i) != own.compressedOffset(i)
                    || table.compressedLength(i) != own.compressedLength(i)
                    || table.compressed(i) != own.compressed(i)
                    || !Arrays.equals(ours, theirs)) {
                throw failed(i, "is described differently by the bootstrap and by the blob itself");
            }
        }
    }

    private static ChunkTable ownTable(Repository repository, BlobInfo blob, long blobSizeBytes)
            throws IOException, CorruptImageException {
        var digest = new Digest("sha256", blob.isLayer() ? blob.tableId() : blob.id());
        var tailBytes = (int) Math.min(BlobSections.TAIL_BYTES, blobSizeBytes);
        var tail = bytes(repository, digest, blobSizeBytes - tailBytes, tailBytes);
        var sections = BlobSections.fromTail(tail, blobSizeBytes, "blob " + blob.id());
        var digests = sections.entry(BlobSections.DIGESTS);
        return ChunkTable.of(
                blob,
                bytes(repository, digest, blob.ciOffset(), Math.toIntExact(blob.ciCompressedSize())),
                bytes(repository, digest, blob.ciOffset() + blob.ciCompressedSize(), CI_HEADER_BYTES),
                bytes(repository, digest, digests.offset(), Math.toIntExact(digests.storedSize())));
    }

    private static byte[] bytes(Repository repository, Digest blob, long offset, int length) throws IOException {
        try (var in = repository.range(blob, offset, length)) {
            var bytes = in.readNBytes(length);
            if (bytes.length < length) {
                throw new ConversionException(
                        FailureReason.VerificationFailed,
                        "blob " + blob + " ends at byte " + (offset + bytes.length) + ", where more should follow");
            }
            return bytes;
        }
    }

    private void readChunks(Repository repository, Progress progress, StopSignal stop)
            throws IOException, CorruptImageException {
        var digest = new Digest("sha256", id);
        var chunkBytes = table.blob().chunkSizeBytes();
        var stored = new byte[chunkBytes];
        var plain = new byte[chunkBytes];
        try (var decoder = new ChunkDecoder();
                var in = new Sequential(repository, digest, table.blob().dataBytes())) {
            for (var i = 0; i < table.count(); i++) {
                stop.check();
                if (!table.isPresent(i)) {
                    continue;
                }
                var length = table.uncompressedLength(i);
                if (length > chunkBytes || table.compressedLength(i) > chunkBytes) {
                    throw failed(i, "is longer than a chunk may be");
                }
                in.read(table.compressedOffset(i), stored, table.compressedLength(i));
                progress.advance(table.compressedLength(i));
                var out = MemorySegment.ofArray(plain).asSlice(0, length);
                decoder.decode(
                        table.compressed(i) ? table.blob().codec() : Codec.NONE,
                        MemorySegment.ofArray(stored).asSlice(0, table.compressedLength(i)),
                        out);
                if (!table.digestMatches(i, out)) {
                    throw failed(i, "does not have the digest that the image says");
                }
                System.arraycopy(digest(plain, i), 0, sha256, DIGEST_BYTES * i, DIGEST_BYTES);
                read.set(i);
            }
        } catch (CorruptImageException e) {
            throw new ConversionException(FailureReason.VerificationFailed, e.getMessage() + "", e);
        }
    }

    /** The sha256 of a chunk whose content has been checked: often it was checked by that. */
    private byte[] digest(byte[] plain, int chunk) {
        return switch (table.blob().digester()) {
            case SHA256 -> {
                var known = new byte[DIGEST_BYTES];
                table.digest(chunk, known);
                yield known;
            }
            case BLAKE3 -> {
                var hash = ContentDigest.sha256();
                hash.update(plain, 0, table.uncompressedLength(chunk));
                yield hash.digest();
            }
        };
    }

    /** Decodes each span of a layer that stays as it is from its own checkpoint, as a node may have to. */
    private void readSpans(Repository repository, long blobSizeBytes, Progress progress, StopSignal stop)
            throws IOException, CorruptImageException {
        var spans = spans(repository, blobSizeBytes);
        var plain = new byte[table.blob().chunkSizeBytes()];
        var span = -1;
        try (var stored =
                new SpanBytes(repository, new Digest("sha256", id), table.blob().compressedSize())) {
            SpanTable.@Nullable Reader reader = null;
            try {
                for (var i = 0; i < table.count(); i++) {
                    stop.check();
                    if (!table.isPresent(i)) {
                        continue;
                    }
                    if (reader == null || spans.spanOf(i) != span) {
                        if (reader != null) {
                            reader.close();
                        }
                        span = spans.spanOf(i);
                        reader = spans.open(
                                i, stored.between(spans.storedOffset(span), spans.storedEnd(span), progress));
                    }
                    var length = table.uncompressedLength(i);
                    var out = MemorySegment.ofArray(plain).asSlice(0, length);
                    reader.read(i, out);
                    if (!table.digestMatches(i, out)) {
                        throw failed(i, "does not have the digest that the image says");
                    }
                    System.arraycopy(digest(plain, i), 0, sha256, DIGEST_BYTES * i, DIGEST_BYTES);
                    read.set(i);
                }
            } finally {
                if (reader != null) {
                    reader.close();
                }
            }
        } catch (CorruptImageException e) {
            throw new ConversionException(FailureReason.VerificationFailed, e.getMessage() + "", e);
        }
    }

    /** The blob's account of the layer, which is held against the bootstrap's. */
    private SpanTable spans(Repository repository, long blobSizeBytes) throws IOException, CorruptImageException {
        var blob = table.blob();
        var digest = new Digest("sha256", blob.tableId());
        var decoded = new byte[Math.toIntExact(blob.ciUncompressedSize())];
        try (var in = repository.range(digest, blob.ciOffset(), blob.ciCompressedSize())) {
            SpanTable.decode(blob, in, new FixedOutput(decoded));
        }
        var header = bytes(repository, digest, blob.ciOffset() + blob.ciCompressedSize(), CI_HEADER_BYTES);
        var spans = SpanTable.of(table, MemorySegment.ofArray(decoded), header);
        var tailBytes = (int) Math.min(BlobSections.TAIL_BYTES, blobSizeBytes);
        var tail = bytes(repository, digest, blobSizeBytes - tailBytes, tailBytes);
        var sections = BlobSections.fromTail(tail, blobSizeBytes, "blob " + blob.tableId());
        var listed = sections.entry(BlobSections.DIGESTS);
        var digests = bytes(repository, digest, listed.offset(), Math.toIntExact(listed.storedSize()));
        var ours = new byte[DIGEST_BYTES];
        for (var i = 0; i < table.count(); i++) {
            table.digest(i, ours);
            var isSame = digests.length == DIGEST_BYTES * table.count()
                    && Arrays.equals(ours, 0, DIGEST_BYTES, digests, DIGEST_BYTES * i, DIGEST_BYTES * (i + 1));
            if (table.isPresent(i) && !isSame) {
                throw failed(i, "is described differently by the bootstrap and by the blob itself");
            }
        }
        return spans;
    }

    /** Fills an array. */
    private static final class FixedOutput extends OutputStream {
        private final byte[] into;
        private int at;

        FixedOutput(byte[] into) {
            this.into = into;
        }

        @Override
        public void write(int b) {
            into[at++] = (byte) b;
        }

        @Override
        public void write(byte[] bytes, int from, int length) {
            System.arraycopy(bytes, from, into, at, length);
            at += length;
        }
    }

    /** Stretches of a layer, one after the other, which may overlap; in one request, or a few if there are holes. */
    private static final class SpanBytes implements AutoCloseable {
        private final Repository repository;
        private final Digest layer;
        private final long layerBytes;
        private byte[] held = {};
        private long heldStart;
        private @Nullable InputStream in;
        private long position;

        SpanBytes(Repository repository, Digest layer, long layerBytes) {
            this.repository = repository;
            this.layer = layer;
            this.layerBytes = layerBytes;
        }

        InputStream between(long start, long end, Progress progress) throws IOException {
            var span = new byte[Math.toIntExact(end - start)];
            var heldEnd = heldStart + held.length;
            var kept = 0;
            if (start >= heldStart && start < heldEnd) {
                kept = (int) Math.min(heldEnd - start, span.length);
                System.arraycopy(held, (int) (start - heldStart), span, 0, kept);
            }
            if (kept < span.length) {
                read(start + kept, span, kept, span.length - kept);
            }
            progress.advance(span.length - kept);
            held = span;
            heldStart = start;
            return new ByteArrayInputStream(span);
        }

        private void read(long offset, byte[] into, int at, int length) throws IOException {
            var open = in;
            if (open == null || offset < position || offset - position > GAP_BYTES) {
                close();
                open = repository.range(layer, offset, layerBytes - offset);
                in = open;
                position = offset;
            }
            try {
                open.skipNBytes(offset - position);
            } catch (EOFException e) {
                throw ended(offset);
            }
            if (open.readNBytes(into, at, length) < length) {
                throw ended(offset);
            }
            position = offset + length;
        }

        private ConversionException ended(long offset) {
            return new ConversionException(
                    FailureReason.VerificationFailed, "layer " + layer + " ends before byte " + offset);
        }

        @Override
        public void close() throws IOException {
            var open = in;
            in = null;
            if (open != null) {
                open.close();
            }
        }
    }

    private ConversionException failed(int chunk, String why) {
        return new ConversionException(
                FailureReason.VerificationFailed, "chunk " + chunk + " of blob sha256:" + id + " " + why);
    }

    /** Adds a chunk's content to a file's digest; false if the image has no such chunk of that length. */
    boolean addTo(ContentDigest digest, int chunk, int lengthBytes, long deviceOffset) {
        if (chunk < 0
                || !read.get(chunk)
                || table.uncompressedLength(chunk) != lengthBytes
                || table.uncompressedOffset(chunk) != deviceOffset) {
            return false;
        }
        digest.add(sha256, DIGEST_BYTES * chunk);
        return true;
    }

    /** Reads a blob from front to back in one request, or a few if there are holes. */
    private static final class Sequential implements AutoCloseable {
        private final Repository repository;
        private final Digest blob;
        private final long end;
        private @Nullable InputStream in;
        private long position;

        Sequential(Repository repository, Digest blob, long end) {
            this.repository = repository;
            this.blob = blob;
            this.end = end;
        }

        void read(long offset, byte[] into, int length) throws IOException {
            var open = in;
            if (open == null || offset < position || offset - position > GAP_BYTES) {
                close();
                open = repository.range(blob, offset, end - offset);
                in = open;
                position = offset;
            }
            try {
                open.skipNBytes(offset - position);
            } catch (EOFException e) {
                throw ended();
            }
            if (open.readNBytes(into, 0, length) < length) {
                throw ended();
            }
            position = offset + length;
        }

        private ConversionException ended() {
            return new ConversionException(
                    FailureReason.VerificationFailed, "blob " + blob + " ends before byte " + end);
        }

        @Override
        public void close() throws IOException {
            var open = in;
            in = null;
            if (open != null) {
                open.close();
            }
        }
    }
}
