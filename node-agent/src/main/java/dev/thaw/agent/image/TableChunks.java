package dev.thaw.agent.image;

import dev.thaw.agent.fetch.StoredChunks;
import dev.thaw.rafs.ChunkDecoder;
import dev.thaw.rafs.ChunkTable;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.CorruptImageException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * A blob's chunks as the bootstraps of one or more images know them. An image names only the chunks that its files use, so two
 * images that share a blob may know different parts of it; together they know both. Of each chunk only its place on the
 * device and whether a file begins there are in memory, since every read asks for that; the rest is asked of the table that knows it.
 */
final class TableChunks implements StoredChunks {
    private static final int BLOCK_BITS = 12;
    private static final byte NOBODY = -1;
    private static final int MOST_TABLES = Byte.MAX_VALUE;

    private final List<ChunkTable> tables;
    private final ChunkDecoder decoder;
    /** Of each chunk, the table that knows it. */
    private final byte[] knower;
    /** Of each chunk, the block of the device that it begins with; of one that nobody knows, a block where it might. */
    private final int[] block;
    /** Of each chunk, whether no file goes on in it. */
    private final BitSet begins;

    private TableChunks(List<ChunkTable> tables, ChunkDecoder decoder) throws CorruptImageException {
        this.tables = List.copyOf(tables);
        this.decoder = decoder;
        int count = tables.getFirst().count();
        knower = new byte[count];
        block = new int[count];
        begins = new BitSet(count);
        Arrays.fill(knower, NOBODY);
        for (int t = 0; t < tables.size(); t++) {
            take(tables.get(t), (byte) t);
        }
        long end = 0;
        for (int chunk = 0; chunk < count; chunk++) {
            if (isKnown(chunk)) {
                long offset = table(chunk).uncompressedOffset(chunk);
                block[chunk] = (int) (offset >>> BLOCK_BITS);
                begins.set(chunk, table(chunk).beginsFile(chunk));
                end = offset + StoredChunks.super.footprint(chunk);
            } else {
                block[chunk] = (int) (end >>> BLOCK_BITS);
                begins.set(chunk);
            }
        }
    }

    static TableChunks of(ChunkTable table, ChunkDecoder decoder) throws CorruptImageException {
        return new TableChunks(List.of(table), decoder);
    }

    private void take(ChunkTable table, byte number) throws CorruptImageException {
        if (table.count() != knower.length) {
            throw contradiction(table, "it has %d chunks and %d".formatted(knower.length, table.count()));
        }
        for (int chunk = 0; chunk < knower.length; chunk++) {
            if (!table.isPresent(chunk)) {
                continue;
            }
            if (!isKnown(chunk)) {
                knower[chunk] = number;
            } else if (!isSame(table, chunk)) {
                throw contradiction(table, "they disagree about chunk " + chunk);
            }
        }
    }

    private boolean isSame(ChunkTable other, int chunk) {
        var ours = table(chunk);
        var one = new byte[32];
        var another = new byte[32];
        ours.digest(chunk, one);
        other.digest(chunk, another);
        return ours.uncompressedOffset(chunk) == other.uncompressedOffset(chunk)
                && ours.uncompressedLength(chunk) == other.uncompressedLength(chunk)
                && ours.compressedOffset(chunk) == other.compressedOffset(chunk)
                && ours.compressedLength(chunk) == other.compressedLength(chunk)
                && Arrays.equals(one, another);
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
        var all = new ArrayList<>(tables);
        for (var table : that.tables) {
            // Most images that share a blob use all of it; their tables need not be kept beside each other.
            if (teaches(table)) {
                all.add(table);
            }
        }
        if (all.size() > MOST_TABLES) {
            throw contradiction(all.getFirst(), "more than %d of them know different parts".formatted(MOST_TABLES));
        }
        return all.size() == tables.size() ? this : new TableChunks(all, decoder);
    }

    /** Whether the table knows a chunk that we do not. */
    private boolean teaches(ChunkTable table) throws CorruptImageException {
        if (table.count() != knower.length) {
            throw contradiction(table, "it has %d chunks and %d".formatted(knower.length, table.count()));
        }
        boolean teaches = false;
        for (int chunk = 0; chunk < knower.length; chunk++) {
            if (table.isPresent(chunk)) {
                if (!isKnown(chunk)) {
                    teaches = true;
                } else if (!isSame(table, chunk)) {
                    throw contradiction(table, "they disagree about chunk " + chunk);
                }
            }
        }
        return teaches;
    }

    @Override
    public int count() {
        return knower.length;
    }

    @Override
    public long offset(int chunk) {
        return Integer.toUnsignedLong(block[chunk]) << BLOCK_BITS;
    }

    @Override
    public boolean beginsFile(int chunk) {
        return begins.get(chunk);
    }

    /** From memory: chunks follow each other without a gap. */
    @Override
    public long footprint(int chunk) {
        if (!isKnown(chunk)) {
            return 0;
        }
        return chunk + 1 < block.length
                ? (long) (block[chunk + 1] - block[chunk]) << BLOCK_BITS
                : StoredChunks.super.footprint(chunk);
    }

    @Override
    public int length(int chunk) {
        return isKnown(chunk) ? table(chunk).uncompressedLength(chunk) : 0;
    }

    @Override
    public long storedOffset(int chunk) {
        return isKnown(chunk) ? table(chunk).compressedOffset(chunk) : 0;
    }

    @Override
    public int storedLength(int chunk) {
        return isKnown(chunk) ? table(chunk).compressedLength(chunk) : 0;
    }

    @Override
    public boolean isIntact(int chunk, MemorySegment content) {
        return isKnown(chunk) && table(chunk).digestMatches(chunk, content);
    }

    @Override
    public void decode(int chunk, MemorySegment stored, MemorySegment content) throws CorruptImageException {
        var table = table(chunk);
        decoder.decode(table.compressed(chunk) ? table.blob().codec() : Codec.NONE, stored, content);
    }

    private boolean isKnown(int chunk) {
        return knower[chunk] != NOBODY;
    }

    private ChunkTable table(int chunk) {
        return tables.get(knower[chunk]);
    }
}
