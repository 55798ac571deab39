package dev.thaw.agent.image;

import dev.thaw.agent.fetch.StoredChunks;
import dev.thaw.rafs.ChunkDecoder;
import dev.thaw.rafs.ChunkTable;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.CorruptImageException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A blob's chunks as the bootstraps of one or more images know them. An image names only the chunks that its files use, so two
 * images that share a blob may know different parts of it; together they know both.
 */
final class TableChunks implements StoredChunks {
    private final List<ChunkTable> tables;
    private final ChunkDecoder decoder;
    /** Of each chunk, the table that knows it; 0 for a chunk that none knows. */
    private final byte[] knower;

    private final long[] offset;
    private final int[] length;
    private final long[] storedOffset;
    private final int[] storedLength;

    private TableChunks(List<ChunkTable> tables, ChunkDecoder decoder) throws CorruptImageException {
        this.tables = List.copyOf(tables);
        this.decoder = decoder;
        int count = tables.getFirst().count();
        knower = new byte[count];
        offset = new long[count];
        length = new int[count];
        storedOffset = new long[count];
        storedLength = new int[count];
        for (int t = 0; t < tables.size(); t++) {
            take(tables.get(t), (byte) t);
        }
        long end = 0;
        long storedEnd = 0;
        for (int chunk = 0; chunk < count; chunk++) {
            if (length[chunk] == 0) {
                offset[chunk] = end;
                storedOffset[chunk] = storedEnd;
            } else {
                end = offset[chunk] + ((length[chunk] + 4095L) & -4096L);
                storedEnd = storedOffset[chunk] + storedLength[chunk];
            }
        }
    }

    static TableChunks of(ChunkTable table, ChunkDecoder decoder) throws CorruptImageException {
        return new TableChunks(List.of(table), decoder);
    }

    private void take(ChunkTable table, byte number) throws CorruptImageException {
        if (table.count() != length.length) {
            throw contradiction(table, "it has %d chunks and %d".formatted(length.length, table.count()));
        }
        for (int chunk = 0; chunk < length.length; chunk++) {
            if (!table.isPresent(chunk)) {
                continue;
            }
            if (length[chunk] == 0) {
                knower[chunk] = number;
                offset[chunk] = table.uncompressedOffset(chunk);
                length[chunk] = table.uncompressedLength(chunk);
                storedOffset[chunk] = table.compressedOffset(chunk);
                storedLength[chunk] = table.compressedLength(chunk);
            } else if (offset[chunk] != table.uncompressedOffset(chunk)
                    || length[chunk] != table.uncompressedLength(chunk)
                    || storedOffset[chunk] != table.compressedOffset(chunk)
                    || storedLength[chunk] != table.compressedLength(chunk)
                    || !sameDigest(table, chunk)) {
                throw contradiction(table, "they disagree about chunk " + chunk);
            }
        }
    }

    private boolean sameDigest(ChunkTable table, int chunk) {
        var one = new byte[32];
        var other = new byte[32];
        tables.get(knower[chunk]).digest(chunk, one);
        table.digest(chunk, other);
        return java.util.Arrays.equals(one, other);
    }

    private static CorruptImageException contradiction(ChunkTable table, String reason) {
        return new CorruptImageException(
                "chunk table of blob " + table.blob().id(), -1, "two images contradict each other: " + reason);
    }

    @Override
    public TableChunks union(StoredChunks other) throws CorruptImageException {
        if (!(other instanceof TableChunks that)) {
            throw new IllegalArgumentException("not a table: " + other);
        }
        if (that.tables.stream().allMatch(this::has)) {
            return this;
        }
        var all = new ArrayList<>(tables);
        all.addAll(that.tables);
        return new TableChunks(all, decoder);
    }

    /** Whether the table is one that we have: then there is nothing to learn from it. */
    private boolean has(ChunkTable table) {
        return tables.contains(table);
    }

    @Override
    public int count() {
        return length.length;
    }

    @Override
    public long offset(int chunk) {
        return offset[chunk];
    }

    @Override
    public int length(int chunk) {
        return length[chunk];
    }

    @Override
    public long storedOffset(int chunk) {
        return storedOffset[chunk];
    }

    @Override
    public int storedLength(int chunk) {
        return storedLength[chunk];
    }

    @Override
    public boolean isIntact(int chunk, MemorySegment content) {
        return table(chunk).digestMatches(chunk, content);
    }

    @Override
    public void decode(int chunk, MemorySegment stored, MemorySegment content) throws CorruptImageException {
        var table = table(chunk);
        decoder.decode(table.compressed(chunk) ? table.blob().codec() : Codec.NONE, stored, content);
    }

    private ChunkTable table(int chunk) {
        return tables.get(knower[chunk]);
    }
}
