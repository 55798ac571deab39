package dev.thaw.rafs;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The chunks of a dictionary that the layer blob being written refers to, in the order of their first use, and the blobs that hold them,
 * likewise. For one thread.
 */
final class SharedChunks {
    private final ChunkDictionary dictionary;
    private final Map<Long, Integer> numbers = new HashMap<>();
    private final Map<ChunkTable, Integer> blobs = new HashMap<>();
    private final List<ChunkTable> order = new ArrayList<>();
    private long[] entries = new long[16];
    private int[] ordinals = new int[16];
    private int count;

    SharedChunks(ChunkDictionary dictionary) {
        this.dictionary = dictionary;
    }

    /** Notes that a file uses the dictionary's entry as its chunk {@code ordinal}, and returns its number here. */
    int use(long entry, int ordinal) {
        var known = numbers.get(entry);
        if (known != null) {
            return known;
        }
        if (count == entries.length) {
            entries = Arrays.copyOf(entries, count * 2);
            ordinals = Arrays.copyOf(ordinals, count * 2);
        }
        entries[count] = entry;
        ordinals[count] = ordinal;
        numbers.put(entry, count);
        var table = dictionary.table(entry);
        if (blobs.putIfAbsent(table, order.size()) == null) {
            order.add(table);
        }
        return count++;
    }

    int count() {
        return count;
    }

    /** The blobs that are used, numbered from {@code first} on. */
    List<BlobInfo> blobs(int first) {
        var infos = new ArrayList<BlobInfo>();
        for (var table : order) {
            var blob = table.blob();
            infos.add(blob.merged(
                    first + infos.size(), blob.id(), blob.compressedSize(), blob.tableId(), blob.tableBlobBytes()));
        }
        return infos;
    }

    /** Position of the chunk's blob among those used. */
    int blob(int number) {
        var position = blobs.get(table(number));
        if (position == null) {
            throw new IllegalStateException("the blob of a chunk in use is in use");
        }
        return position;
    }

    /** Position of the chunk in its blob. */
    int chunk(int number) {
        return (int) entries[number];
    }

    /** Where the chunk starts on its blob's device, in blocks. */
    long block(int number) {
        return table(number).uncompressedOffset(chunk(number)) >>> SuperBlock.BLOCK_BITS;
    }

    byte[] digest(int number) {
        var digest = new byte[ChunkRecords.DIGEST_BYTES];
        table(number).digest(chunk(number), digest);
        return digest;
    }

    /** The chunk's record in a bootstrap's chunk table. */
    void writeRecord(int number, int blobIndex, int chunkSizeBytes, ImageWriter out) throws IOException {
        var table = table(number);
        int chunk = chunk(number);
        out.bytes(digest(number))
                .u32(blobIndex)
                .u32(table.compressed(chunk) ? ChunkRecords.FLAG_COMPRESSED : 0)
                .u32(table.compressedLength(chunk))
                .u32(table.uncompressedLength(chunk))
                .u64(table.compressedOffset(chunk))
                .u64(table.uncompressedOffset(chunk))
                .u64((long) ordinals[number] * chunkSizeBytes)
                .u32(chunk)
                .u32(0);
    }

    private ChunkTable table(int number) {
        return dictionary.table(entries[number]);
    }
}
