package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Reads a whole tree through {@link Bootstrap}, {@link ChunkTable} and {@link ChunkDecoder}. */
public final class SeenTree implements AutoCloseable {
    private final Bootstrap bootstrap;
    private final List<byte[]> blobs;
    private final List<ChunkTable> tables;
    private final List<Optional<SpanTable>> spans = new ArrayList<>();
    private final ChunkDecoder decoder = new ChunkDecoder();
    private final Map<Long, String> firstNames = new HashMap<>();
    private final TreeMap<String, Seen> seen = new TreeMap<>();

    private SeenTree(Bootstrap bootstrap, List<byte[]> blobs, Map<String, byte[]> spanBlobs) throws Exception {
        this.bootstrap = bootstrap;
        this.blobs = blobs;
        this.tables = ChunkTable.fromBootstrap(bootstrap);
        for (var table : tables) {
            var info = table.blob();
            spans.add(info.hasSpans() ? Optional.of(spans(table, spanBlobs.get(info.tableId()))) : Optional.empty());
        }
    }

    private static SpanTable spans(ChunkTable table, byte[] blob) throws Exception {
        var info = table.blob();
        assertThat(blob).as("blob " + info.tableId()).hasSize((int) info.tableBlobBytes());
        int from = (int) info.ciOffset();
        int to = from + (int) info.ciCompressedSize();
        var decoded = new ByteArrayOutputStream();
        SpanTable.decode(info, new ByteArrayInputStream(blob, from, to - from), decoded);
        return SpanTable.of(
                table,
                MemorySegment.ofArray(decoded.toByteArray()),
                Arrays.copyOfRange(blob, to, to + BlobInfo.CI_HEADER_BYTES));
    }

    /** @param blobs the blobs' bytes in the bootstrap's order */
    public static Map<String, Seen> of(Bootstrap bootstrap, List<byte[]> blobs) throws Exception {
        return of(bootstrap, blobs, Map.of());
    }

    /** @param spanBlobs by their ids: what has the spans of gzip layers that are among the blobs */
    static Map<String, Seen> of(Bootstrap bootstrap, List<byte[]> blobs, Map<String, byte[]> spanBlobs)
            throws Exception {
        try (var tree = new SeenTree(bootstrap, blobs, spanBlobs)) {
            tree.walk("", bootstrap.rootNid());
            return tree.seen;
        }
    }

    /** @param layers in any order; some may not be used by the bootstrap */
    static Map<String, Seen> ofMerged(Bootstrap bootstrap, List<Built> layers) throws Exception {
        var blobs = new ArrayList<byte[]>();
        for (var info : bootstrap.blobs()) {
            blobs.add(layers.stream()
                    .filter(layer -> layer.summary().digest().equals(info.id()))
                    .findFirst()
                    .orElseThrow()
                    .blob());
        }
        return of(bootstrap, blobs);
    }

    static Map<String, Seen> of(Built layer) throws Exception {
        return of(layer.bootstrap(), List.of(layer.blob()));
    }

    private void walk(String path, long nid) throws CorruptImageException {
        var inode = bootstrap.inode(nid);
        seen.put(path, look(path, inode));
        if (inode.isDirectory()) {
            bootstrap.list(nid, (name, child, type) -> {
                String text = new String(name, StandardCharsets.ISO_8859_1);
                if (!text.equals(".") && !text.equals("..")) {
                    walk(path.isEmpty() ? text : path + "/" + text, child);
                }
                return true;
            });
        }
    }

    private Seen look(String path, Inode inode) throws CorruptImageException {
        long nid = inode.nid();
        var xattrs = new TreeMap<String, String>();
        for (var xattr : bootstrap.xattrs(nid)) {
            xattrs.put(xattr.text(), HexFormat.of().formatHex(xattr.value()));
        }
        boolean device = inode.type() == Inode.TYPE_CHARACTER_DEVICE || inode.type() == Inode.TYPE_BLOCK_DEVICE;
        return new Seen(
                inode.mode(),
                Integer.toUnsignedLong(inode.uid()),
                Integer.toUnsignedLong(inode.gid()),
                inode.mtimeSeconds(),
                inode.mtimeNanos(),
                inode.nlink(),
                inode.isDirectory() ? 0 : inode.sizeBytes(),
                inode.isSymlink() ? new String(bootstrap.symlinkTarget(nid), StandardCharsets.ISO_8859_1) : "",
                device ? inode.deviceMajor() + ":" + inode.deviceMinor() : "",
                xattrs,
                inode.isRegular() ? content(nid) : "",
                firstNames.computeIfAbsent(nid, n -> path));
    }

    private String content(long nid) throws CorruptImageException {
        var sha256 = ChunkHasher.sha256();
        for (int i = 0; i < bootstrap.chunkCount(nid); i++) {
            var chunk = bootstrap.fileChunk(nid, i);
            sha256.update(chunk(chunk));
        }
        return HexFormat.of().formatHex(sha256.digest());
    }

    private byte[] chunk(FileChunk chunk) throws CorruptImageException {
        var table = tables.get(chunk.blobIndex());
        int c = chunk.chunkIndex();
        int from = (int) table.compressedOffset(c);
        byte[] blob = blobs.get(chunk.blobIndex());
        byte[] raw = new byte[chunk.lengthBytes()];
        var span = spans.get(chunk.blobIndex());
        if (span.isPresent()) {
            readFromSpan(span.get(), c, blob, raw);
        } else {
            byte[] stored = Arrays.copyOfRange(blob, from, from + table.compressedLength(c));
            decoder.decode(table, c, MemorySegment.ofArray(stored), MemorySegment.ofArray(raw));
        }
        if (!table.digestMatches(c, MemorySegment.ofArray(raw))) {
            throw new AssertionError("chunk " + c + " has a wrong digest");
        }
        if (table.indexAt(chunk.deviceOffset()) != c) {
            throw new AssertionError("chunk " + c + " is not found by its place on the device");
        }
        return raw;
    }

    /** Takes no more of the layer than the chunk's span. */
    private static void readFromSpan(SpanTable spans, int chunk, byte[] layer, byte[] raw)
            throws CorruptImageException {
        int start = (int) spans.storedOffset(spans.spanOf(chunk));
        int end = (int) spans.storedEnd(spans.spanOf(chunk));
        try (var reader = spans.open(chunk, new ByteArrayInputStream(layer, start, end - start))) {
            reader.read(chunk, MemorySegment.ofArray(raw));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        decoder.close();
    }
}
