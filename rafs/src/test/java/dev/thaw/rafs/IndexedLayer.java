package dev.thaw.rafs;

import dev.thaw.rafs.gzip.GzipScan;
import dev.thaw.rafs.scan.LayerScan;
import dev.thaw.rafs.zstd.ZstdScan;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.jspecify.annotations.Nullable;

/** An untouched layer, its index blob, and the bootstrap of an image that has only this layer. */
final class IndexedLayer {
    static final int CHUNK_BYTES = 64 << 10;
    static final int SPAN_BYTES = 128 << 10;

    final byte[] stored;
    final byte[] blob;
    final LayerBlob written;
    final Map<String, byte[]> files;
    final String id;

    private IndexedLayer(byte[] stored, byte[] blob, LayerBlob written, Map<String, byte[]> files, String id) {
        this.stored = stored;
        this.blob = blob;
        this.written = written;
        this.files = files;
        this.id = id;
    }

    /** Compresses a layer. */
    interface Compression {
        byte[] compress(byte[] tar) throws IOException;
    }

    static final Compression GZIP = tar -> {
        var out = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(out)) {
            gzip.write(tar);
        }
        return out.toByteArray();
    };

    /** Files of many sizes and kinds of content, some equal to others. */
    static Map<String, byte[]> sampleFiles() {
        var files = new LinkedHashMap<String, byte[]>();
        var random = new Random(7);
        for (int i = 0; i < 60; i++) {
            byte[] content = new byte[i == 20 ? 1_500_001 : i == 40 ? CHUNK_BYTES * 5 : random.nextInt(40_000)];
            if (i % 3 == 0) {
                random.nextBytes(content);
            } else {
                for (int k = 0; k < content.length; k++) {
                    content[k] = (byte)
                            ("some text, with numbers ".charAt((k + random.nextInt(3)) % 24) + random.nextInt(2));
                }
            }
            files.put("file-%02d".formatted(i), content);
        }
        files.put("same", files.get("file-20"));
        files.put("small", new byte[] {1});
        files.put("empty", new byte[0]);
        return files;
    }

    static IndexedLayer of(Map<String, byte[]> files, Compression compression) throws IOException {
        return of(files, compression, stored -> new GzipScan(stored, 32 << 10));
    }

    /** A layer of zstd frames. */
    static IndexedLayer zstd(Map<String, byte[]> files, Compression compression) throws IOException {
        return of(files, compression, stored -> new ZstdScan(stored, 32 << 10));
    }

    /** A layer that is not compressed. */
    static IndexedLayer plain(Map<String, byte[]> files) throws IOException {
        return of(files, tar -> tar, stored -> stored);
    }

    /** Opens a stored layer. */
    private interface Opening {
        InputStream open(InputStream stored) throws IOException;
    }

    private static IndexedLayer of(Map<String, byte[]> files, Compression compression, Opening opening)
            throws IOException {
        var tar = new ByteArrayOutputStream();
        var offsets = new LinkedHashMap<String, Integer>();
        for (var file : files.entrySet()) {
            tar.write(header(file.getKey(), file.getValue().length));
            offsets.put(file.getKey(), tar.size());
            tar.write(file.getValue());
            tar.write(new byte[-file.getValue().length & 511]);
        }
        tar.write(new byte[1024]);
        byte[] stored = compression.compress(tar.toByteArray());
        var blob = new ByteArrayOutputStream();
        LayerBlob written;
        String id = java.util.HexFormat.of().formatHex(ChunkHasher.sha256().digest(stored));
        try (var in = opening.open(new ByteArrayInputStream(stored))) {
            var writer = new LayerIndexWriter(
                    blob,
                    new LayerOptions(CHUNK_BYTES, Codec.ZSTD, DigestAlgorithm.SHA256, 3),
                    in instanceof LayerScan scan ? scan : null,
                    SPAN_BYTES);
            int at = 0;
            for (var file : files.entrySet()) {
                int offset = offsets.get(file.getKey());
                in.skipNBytes(offset - at);
                writer.add(entry(file.getKey(), file.getValue().length), in, offset);
                at = offset + file.getValue().length;
            }
            in.readAllBytes();
            written = writer.finish(id, stored.length);
        }
        return new IndexedLayer(stored, blob.toByteArray(), written, files, id);
    }

    private static byte[] header(String name, int size) {
        byte[] header = new byte[512];
        byte[] text = "%s %o".formatted(name, size).getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(text, 0, header, 0, text.length);
        return header;
    }

    private static LayerEntry entry(String name, int size) {
        return new LayerEntry(
                name.getBytes(StandardCharsets.US_ASCII),
                LayerEntry.Kind.FILE,
                0644,
                0,
                0,
                0,
                0,
                size,
                new byte[0],
                0,
                0,
                List.of());
    }

    /** Merges the layer's bootstrap, which is in its blob, to that of an image. */
    Bootstrap bootstrap(Path directory) throws Exception {
        var sections = BlobSections.fromTail(blob, blob.length, "blob");
        var section = sections.entry(BlobSections.BOOTSTRAP);
        var own = MemorySegment.ofArray(sections.decode(section, slice(section.offset(), section.storedSize())));
        var merged = directory.resolve("merged.boot");
        BootstrapMerger.merge(
                List.of(new MergeLayer(Bootstrap.of(own, "layer"), written.digest(), blob.length)), merged);
        return Bootstrap.of(MemorySegment.ofArray(Files.readAllBytes(merged)), "merged");
    }

    byte[] slice(long offset, long length) {
        return Arrays.copyOfRange(blob, (int) offset, (int) (offset + length));
    }

    byte[] decodedTable(BlobInfo info) throws Exception {
        var table = new ByteArrayOutputStream();
        SpanTable.decode(info, new ByteArrayInputStream(slice(info.ciOffset(), info.ciCompressedSize())), table);
        return table.toByteArray();
    }

    byte[] tableHeader(BlobInfo info) {
        return slice(info.ciOffset() + info.ciCompressedSize(), BlobInfo.CI_HEADER_BYTES);
    }

    SpanTable spans(ChunkTable chunks) throws Exception {
        return SpanTable.of(chunks, MemorySegment.ofArray(decodedTable(chunks.blob())), tableHeader(chunks.blob()));
    }

    /** A chunk as a reader gets it, from no more of the layer than its span. */
    byte[] chunk(ChunkTable chunks, @Nullable SpanTable spans, int chunk) throws Exception {
        byte[] content = new byte[chunks.uncompressedLength(chunk)];
        if (spans == null) {
            System.arraycopy(stored, (int) chunks.compressedOffset(chunk), content, 0, content.length);
            return content;
        }
        int span = spans.spanOf(chunk);
        int start = (int) spans.storedOffset(span);
        try (var reader =
                spans.open(chunk, new ByteArrayInputStream(stored, start, (int) spans.storedEnd(span) - start))) {
            reader.read(chunk, MemorySegment.ofArray(content));
        }
        return content;
    }
}
