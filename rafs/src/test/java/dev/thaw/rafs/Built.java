package dev.thaw.rafs;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executors;

/** A layer blob in memory, opened through its own table of contents. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Built(byte[] blob, LayerBlob summary, Bootstrap bootstrap, BlobSections sections) {
    /** Small chunks, so that small files have several. */
    static final LayerOptions SMALL_CHUNKS = new LayerOptions(4096, Codec.ZSTD, DigestAlgorithm.SHA256, 3);

    static Built of(LayerOptions options, List<Item> items) throws IOException, CorruptImageException {
        var out = new ByteArrayOutputStream();
        try (var writer = new LayerBlobWriter(out, options)) {
            return open(out, write(writer, items));
        }
    }

    /** What the dictionary has is not in the blob. */
    static Built with(ChunkDictionary dictionary, LayerOptions options, List<Item> items)
            throws IOException, CorruptImageException {
        var out = new ByteArrayOutputStream();
        try (var writer = new LayerBlobWriter(out, options, dictionary, Runnable::run, 3)) {
            return open(out, write(writer, items));
        }
    }

    static Built inParallel(LayerOptions options, List<Item> items, int threads)
            throws IOException, CorruptImageException {
        var out = new ByteArrayOutputStream();
        try (var executor = Executors.newFixedThreadPool(threads);
                var writer = new LayerBlobWriter(out, options, executor, 2 * threads)) {
            return open(out, write(writer, items));
        }
    }

    private static LayerBlob write(LayerBlobWriter writer, List<Item> items) throws IOException {
        for (var item : items) {
            writer.add(item.entry(), new ByteArrayInputStream(item.content()));
        }
        return writer.finish();
    }

    private static Built open(ByteArrayOutputStream out, LayerBlob summary) throws CorruptImageException {
        byte[] blob = out.toByteArray();
        byte[] tail = Arrays.copyOfRange(blob, Math.max(0, blob.length - BlobSections.TAIL_BYTES), blob.length);
        var sections = BlobSections.fromTail(tail, blob.length, "layer");
        var section = sections.entry(BlobSections.BOOTSTRAP);
        byte[] bootstrap = sections.decode(section, stored(blob, section));
        return new Built(blob, summary, Bootstrap.of(MemorySegment.ofArray(bootstrap), "layer bootstrap"), sections);
    }

    byte[] stored(String section) throws CorruptImageException {
        return stored(blob, sections.entry(section));
    }

    private static byte[] stored(byte[] blob, BlobSections.Section section) {
        int from = (int) section.offset();
        return Arrays.copyOfRange(blob, from, from + (int) section.storedSize());
    }

    /** The chunk table as an agent gets it from the blob. */
    ChunkTable chunkTable() throws CorruptImageException {
        return ChunkTable.of(
                bootstrap.blobs().getFirst(),
                stored(BlobSections.CHUNK_TABLE),
                stored(BlobSections.CHUNK_TABLE_HEADER),
                stored(BlobSections.DIGESTS));
    }

    MergeLayer toMerge() {
        return new MergeLayer(bootstrap, summary.digest(), blob.length);
    }
}
