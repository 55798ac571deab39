package dev.thaw.rafs;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
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

    /** The same chunk in a lower layer. */
    private record Twin(Source source, int record) {}

    /** A layer's chunk table with what is needed to find a chunk in it. */
    private static final class Source {
        final MergeLayer layer;
        final ChunkRecords records;
        /** By the layer's blob index: the blob's number in the merged bootstrap, or unused. */
        final int[] blobNumbers;
        /** Sorted: blob index in 8 bits, chunk in 24, record in 32. */
        private final long[] places;

        final BitSet used = new BitSet();
        /** Own records that a lower layer has as well, to where it has them. */
        final Map<Integer, Twin> twins = new HashMap<>();

        Source(MergeLayer layer) {
            var bootstrap = layer.bootstrap();
            this.layer = layer;
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
            sources.put(layer, new Source(layer));
        }
        findTwins();
    }

    /**
     * Goes through all chunk tables at once, which are sorted alike, and lets what a lower layer has stand for what upper ones have too:
     * a node then fetches and keeps it once.
     */
    private void findTwins() {
        var heads = new PriorityQueue<Head>();
        int height = 0;
        for (var source : sources.values()) {
            if (source.records.count() > 0) {
                heads.add(new Head(source, height++, 0));
            }
        }
        Head lowest = null;
        while (!heads.isEmpty()) {
            var head = heads.remove();
            if (lowest == null || !lowest.isTwin(head)) {
                lowest = head;
            } else if (lowest.source != head.source) {
                head.source.twins.put(head.record, new Twin(lowest.source, lowest.record));
            }
            if (head.record + 1 < head.source.records.count()) {
                heads.add(new Head(head.source, head.height, head.record + 1));
            }
        }
    }

    /** The next record of a layer's chunk table. */
    private record Head(Source source, int height, int record) implements Comparable<Head> {
        @Override
        public int compareTo(Head that) {
            int order = ChunkRecords.compareDigests(source.records, record, that.source.records, that.record);
            return order == 0 ? Integer.compare(height, that.height) : order;
        }

        boolean isTwin(Head that) {
            return ChunkRecords.compareDigests(source.records, record, that.source.records, that.record) == 0
                    && source.records.uncompressedSize(record) == that.source.records.uncompressedSize(that.record)
                    && blob().digester() == that.blob().digester();
        }

        private BlobInfo blob() {
            return source.layer.bootstrap().blobs().get(source.records.blobIndex(record));
        }
    }

    /**
     * Where a chunk lies in the merged bootstrap.
     *
     * @param block on the blob's device
     */
    record Place(int blob, int chunk, long block) {}

    /** Marks a chunk, and so its blob, as needed. */
    void use(MergeLayer layer, FileChunk chunk) throws CorruptImageException {
        var source = source(layer);
        int record = source.find(chunk);
        if (record < 0) {
            throw new CorruptImageException(
                    layer.bootstrap().name(), -1, "chunk " + chunk.chunkIndex() + " is missing in the chunk table");
        }
        var twin = source.twins.get(record);
        mark(twin == null ? source : twin.source, twin == null ? record : twin.record);
    }

    private void mark(Source source, int record) throws CorruptImageException {
        int b = source.records.blobIndex(record);
        if (source.blobNumbers[b] == UNUSED) {
            source.blobNumbers[b] =
                    number(source.layer, source.layer.bootstrap().blobs().get(b));
        }
        source.used.set(record);
    }

    /** Where a chunk lies that was marked. */
    Place place(MergeLayer layer, FileChunk chunk) {
        var source = source(layer);
        var twin = source.twins.isEmpty() ? null : source.twins.get(source.find(chunk));
        if (twin == null) {
            return new Place(
                    source.blobNumbers[chunk.blobIndex()],
                    chunk.chunkIndex(),
                    chunk.deviceOffset() >>> SuperBlock.BLOCK_BITS);
        }
        var records = twin.source.records;
        return new Place(
                twin.source.blobNumbers[records.blobIndex(twin.record)],
                records.chunkIndex(twin.record),
                records.uncompressedOffset(twin.record) >>> SuperBlock.BLOCK_BITS);
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
