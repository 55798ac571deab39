package dev.thaw.rafs;

import com.github.luben.zstd.ZstdIOException;
import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import dev.thaw.rafs.gzip.ResumedGzip;
import dev.thaw.rafs.zstd.ResumedZstd;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;

/**
 * How the chunks of an untouched compressed layer are reached: each lies in a {@link Span}, at an offset. It is the chunk table of the
 * blob that describes the layer, in the form that nydus calls zran:
 *
 * <pre>
 *  24 bytes for each chunk ({@link CiEntry}, version 2) | 40 bytes for each span | the windows of all spans
 * </pre>
 *
 * Every rule has been checked when the table was opened, and it says of every chunk what the bootstrap says; but whether a span
 * decodes to what it should is only known when the digests of its chunks are compared. Read in place, so that windows take no
 * memory; immutable and safe for use by many threads.
 */
public final class SpanTable {
    private final BlobInfo layer;
    private final Image table;
    private final long spansStart;
    private final long windowsStart;
    private final int spans;

    private SpanTable(BlobInfo layer, Image table, CiHeader.Extras extras) {
        this.layer = layer;
        this.table = table;
        this.spansStart = extras.offset();
        this.spans = extras.count();
        this.windowsStart = spansStart + (long) spans * Span.BYTES;
    }

    /**
     * Opens a table.
     *
     * @param chunks the layer's chunks as the bootstrap knows them
     * @param table the decoded table; kept
     * @param header the {@link BlobInfo#CI_HEADER_BYTES} bytes behind the stored table
     */
    public static SpanTable of(ChunkTable chunks, MemorySegment table, byte[] header) throws CorruptImageException {
        var layer = chunks.blob();
        String name = "spans of layer " + layer.id();
        if (!layer.hasSpans()) {
            throw new CorruptImageException(name, -1, "the layer is not read from checkpoints");
        }
        var head = new Image(MemorySegment.ofArray(header), name);
        CiHeader.check(head, layer);
        var extras = CiHeader.extras(head);
        var in = new Image(table.asReadOnly(), name);
        long entryBytes = (long) layer.chunkCount() * CiEntry.V2_BYTES;
        if (in.size() != layer.ciUncompressedSize()) {
            throw in.corrupt(-1, in.size() + " bytes, expected " + layer.ciUncompressedSize());
        }
        if (extras.offset() != entryBytes || extras.size() != in.size() - entryBytes) {
            throw in.corrupt(-1, "spans are not where the chunks end");
        }
        if (extras.count() < 0 || (long) extras.count() * Span.BYTES > extras.size()) {
            throw in.corrupt(-1, Integer.toUnsignedString(extras.count()) + " spans do not fit the table");
        }
        var spans = new SpanTable(layer, in, extras);
        spans.check(chunks);
        return spans;
    }

    private void check(ChunkTable chunks) throws CorruptImageException {
        long windowBytes = table.size() - windowsStart;
        long outOffset = 0;
        for (int i = 0; i < spans; i++) {
            long at = spansStart + (long) i * Span.BYTES;
            var span = Span.read(table, at);
            span.check(table, at, layer, windowBytes);
            if (span.outOffset() < outOffset) {
                throw table.corrupt(at, "span " + i + " begins before the one before it");
            }
            outOffset = span.outOffset();
        }
        for (int i = 0; i < chunks.count(); i++) {
            long at = (long) i * CiEntry.V2_BYTES;
            long word = table.i64(at);
            int flags = CiEntry.v2Flags(word) & ~CiEntry.V2_CRC32;
            int size = CiEntry.v2UncompressedSize(word);
            if (flags != (CiEntry.V2_COMPRESSED | CiEntry.V2_ZRAN)) {
                throw table.corrupt(
                        at, "chunk " + i + " has flags 0x%x, which are not those of a span's".formatted(flags));
            }
            if (spanNumber(i) >>> 31 != 0 || spanNumber(i) >= spans) {
                throw table.corrupt(at, "chunk " + i + " lies in span " + spanNumber(i) + " of " + spans);
            }
            if (offsetInSpan(i) > span(i).outLength() - size) {
                throw table.corrupt(at, "chunk " + i + " reaches beyond its span");
            }
            boolean isSame = !chunks.isPresent(i)
                    || (chunks.uncompressedLength(i) == size
                            && chunks.uncompressedOffset(i) == CiEntry.v2UncompressedOffset(word));
            if (!isSame) {
                throw table.corrupt(at, "chunk " + i + " is not as the bootstrap has it");
            }
        }
    }

    /**
     * Decodes a table as it is stored.
     *
     * @param stored the {@link BlobInfo#ciCompressedSize} bytes at {@link BlobInfo#ciOffset} of the blob {@link BlobInfo#tableId};
     *     read to their end, not closed
     * @param out gets {@link BlobInfo#ciUncompressedSize} bytes; thrown away after a failure
     */
    public static void decode(BlobInfo layer, InputStream stored, OutputStream out)
            throws IOException, CorruptImageException {
        String name = "spans of layer " + layer.id();
        switch (layer.ciCodec()) {
            case NONE -> copy(name, stored, out, layer.ciUncompressedSize());
            case ZSTD -> {
                var zstd = new ZstdInputStreamNoFinalizer(new Unclosed(stored));
                try (zstd) {
                    copy(name, zstd, out, layer.ciUncompressedSize());
                } catch (ZstdIOException e) {
                    throw new CorruptImageException(name, -1, "zstd: " + e.getMessage());
                }
            }
            case LZ4_BLOCK, GZIP ->
                throw new CorruptImageException(name, -1, "stored with " + layer.ciCodec() + ", which is not read");
        }
    }

    private static void copy(String name, InputStream in, OutputStream out, long length)
            throws IOException, CorruptImageException {
        byte[] buffer = new byte[1 << 16];
        long left = length;
        while (left > 0) {
            int n = in.read(buffer, 0, (int) Math.min(buffer.length, left));
            if (n < 0) {
                throw new CorruptImageException(name, -1, left + " bytes of " + length + " are missing");
            }
            out.write(buffer, 0, n);
            left -= n;
        }
        if (in.read() >= 0) {
            throw new CorruptImageException(name, -1, "longer than " + length + " bytes");
        }
    }

    public BlobInfo layer() {
        return layer;
    }

    /** Number of spans. */
    public int count() {
        return spans;
    }

    /** The span that a chunk lies in. */
    public int spanOf(int chunk) {
        return (int) spanNumber(chunk);
    }

    /** First byte of the layer that decoding a span takes. */
    public long storedOffset(int span) {
        return table.i64(spansStart + (long) span * Span.BYTES);
    }

    /** End of the bytes of the layer that decoding a span takes. */
    public long storedEnd(int span) {
        long at = spansStart + (long) span * Span.BYTES;
        return table.i64(at) + table.i32(at + 24);
    }

    /** Position of a chunk in the tar. */
    public long outOffset(int chunk) {
        return table.i64(spansStart + spanNumber(chunk) * Span.BYTES + 8) + offsetInSpan(chunk);
    }

    /**
     * What has to be read of the layer for some bytes of the tar.
     *
     * @param span where decoding begins
     * @param storedOffset first byte of the layer
     * @param storedLength bytes of the layer
     * @param skippedBytes of the tar, which come before those that are wanted
     */
    public record Stretch(int span, long storedOffset, long storedLength, long skippedBytes) {}

    /** What has to be read for the bytes from one chunk's beginning to another's end; the first must not come behind the last. */
    public Stretch stretch(long outOffset, long length) throws CorruptImageException {
        int first = spanBefore(outOffset);
        int last = spanBefore(outOffset + length - 1);
        if (first < 0) {
            throw table.corrupt(-1, "no span begins at or before byte " + outOffset + " of the tar");
        }
        long end = -1;
        for (int i = last; i >= first; i--) {
            if (outEnd(i) >= outOffset + length) {
                end = end < 0 ? storedEnd(i) : Math.min(end, storedEnd(i));
            } else if (end >= 0) {
                break;
            }
        }
        if (end <= storedOffset(first)) {
            throw table.corrupt(-1, "no span has bytes " + outOffset + " to " + (outOffset + length) + " of the tar");
        }
        return new Stretch(first, storedOffset(first), end - storedOffset(first), outOffset - outStart(first));
    }

    private long outStart(int span) {
        return table.i64(spansStart + (long) span * Span.BYTES + 8);
    }

    private long outEnd(int span) {
        return outStart(span) + table.i32(spansStart + (long) span * Span.BYTES + 28);
    }

    /** The last span that begins at or before a byte of the tar; -1 if there is none. */
    private int spanBefore(long outOffset) {
        int low = 0;
        int high = spans - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            if (outStart(middle) <= outOffset) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return high;
    }

    private long spanNumber(int chunk) {
        return table.u32((long) chunk * CiEntry.V2_BYTES + 20);
    }

    private long offsetInSpan(int chunk) {
        return table.u32((long) chunk * CiEntry.V2_BYTES + 16);
    }

    private Span span(int chunk) throws CorruptImageException {
        return Span.read(table, spansStart + spanNumber(chunk) * Span.BYTES);
    }

    /**
     * Begins to decode at the span of a chunk.
     *
     * @param stored bytes of the layer from {@link #storedOffset(int) its span's offset} on; not closed by the reader
     */
    public Reader open(int chunk, InputStream stored) throws IOException, CorruptImageException {
        var span = span(chunk);
        return new Reader(resumed(span, stored), span.outOffset());
    }

    /**
     * Decodes a stretch: the bytes of the tar from its span's beginning on, unchecked.
     *
     * @param stored the stretch's bytes of the layer; not closed
     */
    public InputStream open(Stretch stretch, InputStream stored) throws IOException, CorruptImageException {
        return resumed(Span.read(table, spansStart + (long) stretch.span() * Span.BYTES), stored);
    }

    private InputStream resumed(Span span, InputStream stored) throws IOException {
        if (layer.codec() == Codec.ZSTD) {
            return new ResumedZstd(new Unclosed(stored));
        }
        byte[] window = table.copy(windowsStart + span.windowStart(), span.windowLength());
        return new ResumedGzip(stored, span.bits(), span.carriedByte(), window);
    }

    /** Decodes chunks one after the other, passing over what lies between them. Not thread-safe. */
    public final class Reader implements AutoCloseable {
        private final InputStream tar;
        private long position;

        private Reader(InputStream tar, long position) {
            this.tar = tar;
            this.position = position;
        }

        /**
         * Decodes a chunk, of this span or of one that follows if the stored bytes go on so far. What comes of it is unchecked.
         *
         * @param into exactly the chunk's length; what lies behind the chunk read before
         */
        public void read(int chunk, MemorySegment into) throws IOException, CorruptImageException {
            long target = outOffset(chunk);
            if (target < position) {
                throw new CorruptImageException(
                        table.name(), (long) chunk * CiEntry.V2_BYTES, "chunk " + chunk + " lies before what was read");
            }
            try {
                tar.skipNBytes(target - position);
                byte[] piece = new byte[(int) Math.min(into.byteSize(), 1 << 16)];
                for (long done = 0; done < into.byteSize(); ) {
                    int n = (int) Math.min(piece.length, into.byteSize() - done);
                    if (tar.readNBytes(piece, 0, n) < n) {
                        throw new EOFException();
                    }
                    MemorySegment.copy(MemorySegment.ofArray(piece), 0, into, done, n);
                    done += n;
                }
            } catch (EOFException | java.util.zip.ZipException e) {
                throw new CorruptImageException(
                        table.name(),
                        (long) chunk * CiEntry.V2_BYTES,
                        "chunk " + chunk + " cannot be decoded: "
                                + (e.getMessage() == null ? "the span ends too early" : e.getMessage()));
            }
            position = target + into.byteSize();
        }

        @Override
        public void close() throws IOException {
            tar.close();
        }
    }

    /** A stream for someone who closes what he is given. */
    private static final class Unclosed extends java.io.FilterInputStream {
        Unclosed(InputStream in) {
            super(in);
        }

        @Override
        public void close() {}
    }
}
