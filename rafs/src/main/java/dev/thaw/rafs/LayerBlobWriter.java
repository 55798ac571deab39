package dev.thaw.rafs;

import com.github.luben.zstd.Zstd;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * Turns the entries of one tar layer into one nydus layer blob, written front to back:
 *
 * <pre>
 *  chunks | header | chunk table | its header | header | digests | header | bootstrap | header | ToC | header
 * </pre>
 *
 * A layer without any content has only the last four. The bytes depend on the entries, their order and the options, and on
 * nothing else.
 *
 * <p>Memory, beside a few hundred KiB: for each entry about 250 bytes, its name, symlink target and xattrs, and 4 bytes per chunk;
 * for each different chunk about 70 bytes; for each of {@code parallelism} two buffers of the chunk size, and 4 MiB with zstd. While the
 * chunk table is compressed at the end another 32 bytes per chunk. File contents are never held.
 *
 * <p>Not thread-safe. After any exception the blob is spoilt and the writer can only be closed.
 */
public final class LayerBlobWriter implements AutoCloseable {
    private static final int FEATURES = BlobInfo.FEATURE_ALIGNED
            | BlobInfo.FEATURE_INLINED_DIGESTS
            | BlobInfo.FEATURE_TAR_HEADERS
            | BlobInfo.FEATURE_TOC
            | BlobInfo.FEATURE_CAP_TAR_TOC;

    private final LayerOptions options;
    private final LayerBlobOutput out;
    private final LayerTree tree = new LayerTree();
    private final LayerChunks chunks = new LayerChunks();
    private final SharedChunks shared;
    private final Executor compressors;
    private final List<ChunkPress> presses = new ArrayList<>();
    private final ArrayDeque<ChunkPress> idle = new ArrayDeque<>();
    /** In the order of their chunks, which is the order of storing. */
    private final ArrayDeque<ChunkPress> busy = new ArrayDeque<>();

    private @Nullable ChunkPress filling;

    private boolean usable = true;
    private long contentBytes;
    private long duplicateBytes;
    private long chunkUses;

    /**
     * Compresses on the calling thread.
     *
     * @param out gets the blob; it is neither flushed nor closed
     */
    public LayerBlobWriter(OutputStream out, LayerOptions options) {
        this(out, options, ChunkDictionary.EMPTY, Runnable::run, 1);
    }

    /** With no dictionary. */
    public LayerBlobWriter(OutputStream out, LayerOptions options, Executor compressors, int parallelism) {
        this(out, options, ChunkDictionary.EMPTY, compressors, parallelism);
    }

    /**
     * Compresses chunks on other threads; the bytes written do not depend on that. Reading entries and writing the blob stay on the
     * calling thread.
     *
     * @param dictionary chunks that are not stored but referred to where they are
     * @param compressors may be shared by many writers, but must not run the calling threads themselves, which wait for it
     * @param parallelism how many chunks of full length may be under way at a time, or as many bytes of small ones
     */
    public LayerBlobWriter(
            OutputStream out, LayerOptions options, ChunkDictionary dictionary, Executor compressors, int parallelism) {
        if (parallelism < 1) {
            throw new IllegalArgumentException("parallelism " + parallelism + " is less than 1");
        }
        for (var blob : dictionary.blobs()) {
            if (blob.chunkSizeBytes() != options.chunkSizeBytes()) {
                throw new IllegalArgumentException("the dictionary has chunks of " + blob.chunkSizeBytes()
                        + " bytes, wanted are chunks of " + options.chunkSizeBytes());
            }
        }
        this.options = options;
        this.out = new LayerBlobOutput(out);
        this.shared = new SharedChunks(dictionary);
        this.compressors = compressors;
        for (int i = 0; i < parallelism; i++) {
            var press = new ChunkPress(options, chunks, dictionary);
            presses.add(press);
            idle.add(press);
        }
    }

    /**
     * Adds the next entry. Whiteouts are kept as the ordinary empty files that they are in the tar.
     *
     * @param content of a regular file, read to {@link LayerEntry#sizeBytes} and not closed; ignored for other kinds, and for an
     *     empty file it may be null
     * @throws IOException if the content ends early or cannot be read, the blob cannot be written, or the entry cannot be stored:
     *     a path that is not clean or lies below a file, a hard link to nothing, a name, symlink or xattr that is too long
     */
    public void add(LayerEntry entry, @Nullable InputStream content) throws IOException {
        begin();
        tree.add(entry, file -> fill(file, entry, content));
        usable = true;
    }

    /** Writes everything that follows the chunks. The writer is of no use afterwards. */
    public LayerBlob finish() throws IOException {
        return finishTo(null);
    }

    /** Like {@link #finish()}, and also leaves the layer's own bootstrap, not compressed, in a new file. */
    public LayerBlob finish(Path bootstrap) throws IOException {
        return finishTo(bootstrap);
    }

    private LayerBlob finishTo(@Nullable Path bootstrapCopy) throws IOException {
        begin();
        press();
        while (!busy.isEmpty()) {
            storeOldest();
        }
        var blobs = new ArrayList<BlobInfo>();
        if (chunks.count() > 0) {
            blobs.add(writeTables());
        }
        blobs.addAll(shared.blobs(blobs.size()));
        var bootstrap = new BootstrapWriter(
                tree.root(),
                blobs,
                new Records(),
                new BootstrapWriter.Settings(options.chunkSizeBytes(), options.codec(), options.digest(), true));
        out.writeBootstrap(bootstrap, options.zstdLevel(), bootstrapCopy);
        out.writeContents();
        return new LayerBlob(
                out.digest(),
                out.position(),
                contentBytes,
                duplicateBytes,
                chunks.dataBytes(),
                chunks.deviceBytes(),
                chunks.count(),
                chunkUses,
                bootstrap.files(),
                bootstrap.inodes(),
                bootstrap.sizeBytes());
    }

    /** Ends work that is under way and frees native memory. Leaves the output alone. */
    @Override
    public void close() {
        usable = false;
        presses.forEach(ChunkPress::close);
        presses.clear();
    }

    // --- entries

    private void begin() {
        if (!usable) {
            throw new IllegalStateException("the layer blob is finished, closed or spoilt");
        }
        usable = false;
    }

    private void fill(TreeNode node, LayerEntry entry, @Nullable InputStream content) throws IOException {
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
            withRoom(length).fill(file, ordinal, length, content);
            done += length;
        }
        contentBytes += size;
        chunkUses += ordinal;
    }

    /** The press that is being filled; if the chunk does not fit, it is set to work and the next one taken. */
    private ChunkPress withRoom(int length) throws IOException {
        if (filling != null && !filling.hasRoom(length)) {
            press();
        }
        if (filling == null) {
            if (idle.isEmpty()) {
                storeOldest();
            }
            filling = idle.removeFirst();
        }
        return filling;
    }

    private void press() {
        if (filling != null) {
            filling.press(compressors);
            busy.addLast(filling);
            filling = null;
        }
    }

    private void storeOldest() throws IOException {
        var press = busy.removeFirst();
        duplicateBytes += press.store(out.stream(), shared);
        idle.addLast(press);
    }

    // --- sections

    /** Chunk table, its header and the digests; the chunks are there already. */
    private BlobInfo writeTables() throws IOException {
        out.endData(chunks.deviceBytes());

        long tableStart = out.position();
        var table = LayerBlobOutput.bytesOf(chunks::writeTable);
        byte[] packed = options.codec() == Codec.ZSTD ? Zstd.compress(table, options.zstdLevel()) : table;
        // With lz4 the table stays as it is, for nydus cannot read an lz4 section through the table of contents.
        var tableCodec = packed.length < table.length ? Codec.ZSTD : Codec.NONE;
        byte[] stored = tableCodec == Codec.ZSTD ? packed : table;
        out.write(BlobSections.CHUNK_TABLE, tableCodec, stored, table);

        var blob = new BlobInfo(
                0,
                BlobTable.PLACEHOLDER_ID,
                options.chunkSizeBytes(),
                chunks.count(),
                options.codec(),
                options.digest(),
                FEATURES | BlobInfo.FEATURE_INLINED_BOOTSTRAP,
                bootstrapStart(stored.length),
                chunks.deviceBytes(),
                tableStart,
                stored.length,
                table.length,
                tableCodec,
                0,
                0);
        byte[] header = LayerBlobOutput.bytesOf(writer -> CiHeader.write(writer, blob));
        out.write(BlobSections.CHUNK_TABLE_HEADER, Codec.NONE, header, header);
        out.writeTarHeader(BlobSections.CHUNK_TABLE, out.position() - tableStart);
        out.writeDigests(chunks::writeDigests);
        return blob;
    }

    /** What nydus stores as the size of a blob that is not yet complete. */
    private long bootstrapStart(int storedTableBytes) {
        return chunks.dataBytes()
                + TarHeader.BYTES
                + storedTableBytes
                + BlobInfo.CI_HEADER_BYTES
                + TarHeader.BYTES
                + (long) chunks.count() * ChunkRecords.DIGEST_BYTES
                + TarHeader.BYTES;
    }

    private final class Records implements BootstrapWriter.RecordSource {
        @Override
        public int count() {
            return chunks.count() + shared.count();
        }

        @Override
        public void write(ImageWriter writer) throws IOException {
            chunks.writeRecords(shared, writer, options.chunkSizeBytes());
        }
    }
}
