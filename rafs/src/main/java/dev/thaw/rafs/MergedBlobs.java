package dev.thaw.rafs;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The blobs of a merged bootstrap, numbered as files come to need them, and those of their chunks that are needed. */
final class MergedBlobs implements BootstrapWriter.RecordSource {
    private static final int UNUSED = -1;

    private final Map<MergeLayer, Source> sources = new LinkedHashMap<>();
    private final Map<String, Integer> numbers = new HashMap<>();
    private final List<BlobInfo> infos = new ArrayList<>();
    private List<Needed> needed = List.of();

    /** A record of a layer's chunk table that goes into the merged one. */
    private record Needed(ChunkRecords records, int record, int blob) implements Comparable<Needed> {
        @Override
        public int compareTo(Needed that) {
            int order = ChunkRecords.compareDigests(records, record, that.records, that.record);
            if (order == 0) {
                order = Integer.compare(blob, that.blob);
            }
            return order == 0 ? Integer.compare(chunkIndex(), that.chunkIndex()) : order;
        }

        int chunkIndex() {
            return records.chunkIndex(record);
        }

        boolean isSameChunk(@Nullable Needed that) {
            return that != null && blob == that.blob && chunkIndex() == that.chunkIndex();
        }
    }

    /** A layer's chunk table with what is needed to find a chunk in it. */
    private static final class Source {
        final ChunkRecords records;
        /** By the layer's blob index: the blob's number in the merged bootstrap, or unused. */
        final int[] blobNumbers;
        /** Sorted: blob index in 8 bits, chunk in 24, record in 32. */
        private final long[] places;

        final BitSet used = new BitSet();

        Source(Bootstrap bootstrap) {
            this.records = bootstrap.chunkRecords();
            this.blobNumbers = new int[bootstrap.blobs().size()];
            Arrays.fill(blobNumbers, UNUSED);
            this.places = new long[records.count()];
            for (int i = 0; i < places.length; i++) {
                places[i] = place(records.blobIndex(i), records.chunkIndex(i)) | i;
            }
            Arrays.sort(places);
        }

        /** Number of the record, or -1. */
        int find(FileChunk chunk) {
            long place = place(chunk.blobIndex(), chunk.chunkIndex());
            int found = Arrays.binarySearch(places, place);
            int at = found < 0 ? -found - 1 : found;
            return at < places.length && (places[at] & -1L << 32) == place ? (int) places[at] : -1;
        }

        private static long place(int blob, int chunk) {
            return (long) blob << 56 | (long) chunk << 32;
        }
    }

    MergedBlobs(List<MergeLayer> layers) throws CorruptImageException {
        for (var layer : layers) {
            if (!BlobTable.isRealId(layer.blobId())) {
                throw new CorruptImageException(
                        layer.bootstrap().name(),
                        -1,
                        "blob id " + layer.blobId() + " is not 64 lower-case hex characters");
            }
            sources.put(layer, new Source(layer.bootstrap()));
        }
    }

    /** The numbers of a layer's blobs by its own index; those of blobs that are not used yet come later, in place. */
    int[] numbersFor(MergeLayer layer) {
        return source(layer).blobNumbers;
    }

    /** Marks a chunk, and so its blob, as needed. */
    void use(MergeLayer layer, FileChunk chunk) throws CorruptImageException {
        var source = source(layer);
        int b = chunk.blobIndex();
        if (source.blobNumbers[b] == UNUSED) {
            source.blobNumbers[b] = number(layer, layer.bootstrap().blobs().get(b));
        }
        int record = source.find(chunk);
        if (record < 0) {
            throw new CorruptImageException(
                    layer.bootstrap().name(), -1, "chunk " + chunk.chunkIndex() + " is missing in the chunk table");
        }
        source.used.set(record);
    }

    private int number(MergeLayer layer, BlobInfo info) throws CorruptImageException {
        if (info.isLayer() && info.isPlaceholder()) {
            throw new CorruptImageException(
                    layer.bootstrap().name(),
                    -1,
                    "bootstrap does not say which layer its blob is; made by nydus-image?");
        }
        String id = info.isPlaceholder() ? layer.blobId() : info.id();
        boolean isUntold = info.isLayer() && info.tableId().isEmpty();
        String tableId = isUntold ? layer.blobId() : info.tableId();
        long tableBlobBytes = isUntold ? layer.blobSizeBytes() : info.tableBlobBytes();
        var known = numbers.get(id);
        if (known == null) {
            long size = info.isPlaceholder() ? layer.blobSizeBytes() : info.compressedSize();
            numbers.put(id, infos.size());
            infos.add(info.merged(infos.size(), id, size, tableId, tableBlobBytes));
            return infos.size() - 1;
        }
        var below = infos.get(known);
        if (!below.equals(info.merged(known, id, below.compressedSize(), tableId, tableBlobBytes))) {
            throw new CorruptImageException(
                    layer.bootstrap().name(), -1, "blob " + id + " is described differently below");
        }
        return known;
    }

    private Source source(MergeLayer layer) {
        var source = sources.get(layer);
        if (source == null) {
            throw new IllegalArgumentException("unknown layer " + layer);
        }
        return source;
    }

    List<BlobInfo> infos() {
        return List.copyOf(infos);
    }

    /** Ends the marking: brings the needed records into the order of the chunk table. */
    void collect() {
        var all = new ArrayList<Needed>();
        for (var source : sources.values()) {
            source.used.stream()
                    .forEach(record -> all.add(
                            new Needed(source.records, record, source.blobNumbers[source.records.blobIndex(record)])));
        }
        all.sort(null);
        var distinct = new ArrayList<Needed>(all.size());
        Needed previous = null;
        for (var record : all) {
            if (!record.isSameChunk(previous)) {
                distinct.add(record);
            }
            previous = record;
        }
        needed = distinct;
    }

    @Override
    public int count() {
        return needed.size();
    }

    @Override
    public void write(ImageWriter out) throws IOException {
        for (var record : needed) {
            record.records.write(record.record, record.blob, out);
        }
    }
}
