package dev.thaw.rafs;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdOutputStreamNoFinalizer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HexFormat;
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
 * for each different chunk about 70 bytes; for each chunk under way two buffers of the chunk size, and 4 MiB with zstd. While the
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
    private final DigestedOutput out;
    private final LayerTree tree = new LayerTree();
    private final LayerChunks chunks = new LayerChunks();
    private final Executor compressors;
    private final List<ChunkPress> presses = new ArrayList<>();
    private final ArrayDeque<ChunkPress> idle = new ArrayDeque<>();
    /** In the order of their chunks, which is the order of storing. */
    private final ArrayDeque<ChunkPress> busy = new ArrayDeque<>();

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
        this(out, options, Runnable::run, 1);
    }

    /**
     * Compresses chunks on other threads; the bytes written do not depend on that. Reading entries and writing the blob stay on the
     * calling thread.
     *
     * @param compressors may be shared by many writers, but must not run the calling threads themselves, which wait for it
     * @param parallelism how many chunks may be under way at a time
     */
    public LayerBlobWriter(OutputStream out, LayerOptions options, Executor compressors, int parallelism) {
        if (parallelism < 1) {
            throw new IllegalArgumentException("parallelism " + parallelism + " is less than 1");
        }
        this.options = options;
        this.out = new DigestedOutput(out);
        this.compressors = compressors;
        for (int i = 0; i < parallelism; i++) {
            var press = new ChunkPress(options, chunks);
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
        String name = entry.pathText();
        switch (entry.kind()) {
            case DIRECTORY -> tree.putDirectory(entry.path(), attributes(entry, 0));
            case FILE -> tree.put(entry.path(), file(entry, content));
            case HARD_LINK -> tree.link(entry.path(), entry.linkTarget());
            case SYMLINK -> {
                checkTarget(name, entry.linkTarget());
                tree.put(entry.path(), TreeNode.symlink(attributes(entry, 0), entry.linkTarget()));
            }
            case CHARACTER_DEVICE, BLOCK_DEVICE -> {
                checkDevice(name, entry.devMajor(), entry.devMinor());
                int rdev = Inode.rdev(entry.devMajor(), entry.devMinor());
                tree.put(entry.path(), TreeNode.of(attributes(entry, rdev)));
            }
            case FIFO, SOCKET -> tree.put(entry.path(), TreeNode.of(attributes(entry, 0)));
        }
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
        while (!busy.isEmpty()) {
            storeOldest();
        }
        var sections = new ArrayList<BlobSections.Section>();
        var blobs = chunks.count() == 0 ? List.<BlobInfo>of() : List.of(writeTables(sections));
        var bootstrap = new BootstrapWriter(
                tree.root(),
                blobs,
                new Records(),
                new BootstrapWriter.Settings(options.chunkSizeBytes(), options.codec(), options.digest(), true));
        writeBootstrap(bootstrap, sections, bootstrapCopy);
        writeContents(sections);
        return new LayerBlob(
                HexFormat.of().formatHex(out.sha256()),
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

    private static TreeNode.Attributes attributes(LayerEntry entry, int rdev) throws IOException {
        if (!Inode.areNanos(entry.mtimeNanos())) {
            throw new IOException(entry.pathText() + ": " + entry.mtimeNanos() + " nanoseconds are out of range");
        }
        return new TreeNode.Attributes(
                entry.kind().typeBits() | (entry.mode() & 07777),
                entry.uid(),
                entry.gid(),
                entry.mtimeSeconds(),
                entry.mtimeNanos(),
                rdev,
                XattrArea.storable(entry.xattrs(), entry.pathText()));
    }

    private TreeNode file(LayerEntry entry, @Nullable InputStream content) throws IOException {
        var node = TreeNode.of(attributes(entry, 0));
        long size = entry.sizeBytes();
        if (size < 0 || (size > 0 && content == null)) {
            throw new IOException(entry.pathText() + ": file of " + size + " bytes without content");
        }
        if (size == 0 || content == null) {
            return node;
        }
        var file = new LayerFile(chunks);
        node.setContent(size, file);
        int ordinal = 0;
        for (long done = 0; done < size; ordinal++) {
            int length = (int) Math.min(options.chunkSizeBytes(), size - done);
            if (idle.isEmpty()) {
                storeOldest();
            }
            var press = idle.removeFirst();
            press.fill(file, ordinal, length, content);
            press.press(compressors);
            busy.addLast(press);
            done += length;
        }
        contentBytes += size;
        chunkUses += ordinal;
        return node;
    }

    private void storeOldest() throws IOException {
        var press = busy.removeFirst();
        duplicateBytes += press.store(out);
        idle.addLast(press);
    }

    private static void checkTarget(String name, byte[] target) throws IOException {
        if (target.length == 0 || target.length > InodeLayout.MAX_SYMLINK_BYTES) {
            throw new IOException(name + ": symlink target of " + target.length + " bytes; 1 to "
                    + InodeLayout.MAX_SYMLINK_BYTES + " can be stored");
        }
        for (byte b : target) {
            if (b == 0) {
                throw new IOException(name + ": symlink target holds a NUL byte");
            }
        }
    }

    private static void checkDevice(String name, int major, int minor) throws IOException {
        if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff) {
            throw new IOException(name + ": device " + major + ":" + minor + " has no number in Linux");
        }
    }

    // --- sections

    /** Chunk table, its header and the digests; the chunks are there already. */
    private BlobInfo writeTables(List<BlobSections.Section> sections) throws IOException {
        long dataBytes = out.position();
        sections.add(new BlobSections.Section(
                BlobSections.DATA, Codec.NONE, out.sha256(), 0, dataBytes, chunks.deviceBytes()));
        writeTarHeader(BlobSections.DATA, dataBytes);

        long tableStart = out.position();
        var table = bytesOf(chunks::writeTable);
        byte[] packed = options.codec() == Codec.ZSTD ? Zstd.compress(table, options.zstdLevel()) : table;
        // With lz4 the table stays as it is, for nydus cannot read an lz4 section through the table of contents.
        var tableCodec = packed.length < table.length ? Codec.ZSTD : Codec.NONE;
        byte[] stored = tableCodec == Codec.ZSTD ? packed : table;
        out.write(stored);
        sections.add(new BlobSections.Section(
                BlobSections.CHUNK_TABLE, tableCodec, sha256(table), tableStart, stored.length, table.length));

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
        long headerStart = out.position();
        byte[] header = bytesOf(writer -> CiHeader.write(writer, blob));
        out.write(header);
        sections.add(new BlobSections.Section(
                BlobSections.CHUNK_TABLE_HEADER,
                Codec.NONE,
                sha256(header),
                headerStart,
                header.length,
                header.length));
        writeTarHeader(BlobSections.CHUNK_TABLE, out.position() - tableStart);

        long digestsStart = out.position();
        byte[] digests = bytesOf(chunks::writeDigests);
        out.write(digests);
        sections.add(new BlobSections.Section(
                BlobSections.DIGESTS, Codec.NONE, sha256(digests), digestsStart, digests.length, digests.length));
        writeTarHeader(BlobSections.DIGESTS, digests.length);
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

    private void writeBootstrap(
            BootstrapWriter bootstrap, List<BlobSections.Section> sections, @Nullable Path bootstrapCopy)
            throws IOException {
        long start = out.position();
        byte[] sha256;
        try (var zstd = new ZstdOutputStreamNoFinalizer(out.unclosable(), options.zstdLevel());
                var copy = bootstrapCopy == null
                        ? OutputStream.nullOutputStream()
                        : Files.newOutputStream(bootstrapCopy)) {
            var raw = new DigestedOutput(new Twofold(zstd, copy));
            bootstrap.write(raw);
            sha256 = raw.sha256();
        }
        long stored = out.position() - start;
        sections.add(new BlobSections.Section(
                BlobSections.BOOTSTRAP, Codec.ZSTD, sha256, start, stored, bootstrap.sizeBytes()));
        writeTarHeader(BlobSections.BOOTSTRAP, stored);
    }

    private void writeContents(List<BlobSections.Section> sections) throws IOException {
        byte[] toc = bytesOf(writer -> {
            for (var section : sections) {
                section.write(writer);
            }
        });
        out.write(toc);
        writeTarHeader(BlobSections.TOC, toc.length);
    }

    private void writeTarHeader(String name, long size) throws IOException {
        out.write(bytesOf(new TarHeader(name, size)::write));
    }

    private interface Writing {
        void to(ImageWriter writer) throws IOException;
    }

    private static byte[] bytesOf(Writing writing) throws IOException {
        var bytes = new ByteArrayOutputStream();
        var writer = new ImageWriter(bytes);
        writing.to(writer);
        writer.flush();
        return bytes.toByteArray();
    }

    private static byte[] sha256(byte[] bytes) {
        return ChunkHasher.sha256().digest(bytes);
    }

    private final class Records implements BootstrapWriter.RecordSource {
        @Override
        public int count() {
            return chunks.count();
        }

        @Override
        public void write(ImageWriter writer) throws IOException {
            chunks.writeRecords(writer, options.chunkSizeBytes());
        }
    }

    /** Writes the same to two streams. */
    private static final class Twofold extends OutputStream {
        private final OutputStream first;
        private final OutputStream second;

        Twofold(OutputStream first, OutputStream second) {
            this.first = first;
            this.second = second;
        }

        @Override
        public void write(int b) throws IOException {
            first.write(b);
            second.write(b);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            first.write(bytes, offset, length);
            second.write(bytes, offset, length);
        }
    }
}
