package dev.thaw.rafs;

import java.util.ArrayList;
import java.util.List;

/**
 * The chunks of another image, to be found by digest: what it has stored need not be stored again. A new image's blob table lists the
 * blobs of the dictionary that it uses beside its own, as with {@code nydus-image create --chunk-dict}.
 *
 * <p>About 60 bytes for each chunk; the bootstrap that it was made of is not needed any more. Immutable and safe for use by many
 * threads.
 */
public final class ChunkDictionary {
    /** Of an image that shares nothing. */
    public static final ChunkDictionary EMPTY = new ChunkDictionary(List.of());

    static final long NONE = -1;

    private final List<ChunkTable> tables;
    /** Number of the table above, of the chunk below, plus one; open addressing, at most half full. */
    private final long[] index;

    private ChunkDictionary(List<ChunkTable> tables) {
        this.tables = List.copyOf(tables);
        long chunks = tables.stream().mapToLong(ChunkTable::count).sum();
        this.index = new long[Integer.highestOneBit((int) Math.min(1 << 28, Math.max(4, chunks)) - 1) << 2];
        var digest = new byte[ChunkRecords.DIGEST_BYTES];
        for (int t = 0; t < tables.size(); t++) {
            var table = tables.get(t);
            for (int i = 0; i < table.count(); i++) {
                if (table.isPresent(i)) {
                    table.digest(i, digest);
                    enter(digest, (long) t << 32 | i);
                }
            }
        }
    }

    /**
     * The chunks that files of an image refer to. Blobs must have their real ids, as in a merged bootstrap. Layers that are read in place
     * are left out: who refers to them needs the blobs that describe them too, and reads more of them than is asked for.
     */
    public static ChunkDictionary of(Bootstrap bootstrap) throws CorruptImageException {
        for (var blob : bootstrap.blobs()) {
            if (!BlobTable.isRealId(blob.id())) {
                throw new CorruptImageException(
                        bootstrap.name(), -1, "the bootstrap of a layer cannot be a dictionary: its blob has no name");
            }
        }
        return new ChunkDictionary(ChunkTable.fromBootstrap(bootstrap).stream()
                .filter(table -> !table.blob().isLayer())
                .map(ChunkTable::copied)
                .toList());
    }

    /** The blobs, whether a new image comes to use them or not. */
    public List<BlobInfo> blobs() {
        var blobs = new ArrayList<BlobInfo>();
        tables.forEach(table -> blobs.add(table.blob()));
        return blobs;
    }

    private void enter(byte[] digest, long entry) {
        int slot = slot(digest);
        while (index[slot] != 0) {
            slot = (slot + 1) & (index.length - 1);
        }
        index[slot] = entry + 1;
    }

    /** The chunk with this digest and length, the number of its blob above and its own below; {@link #NONE} if there is none. */
    long find(DigestAlgorithm algorithm, byte[] digest, int length) {
        for (int slot = slot(digest); index[slot] != 0; slot = (slot + 1) & (index.length - 1)) {
            long entry = index[slot] - 1;
            var table = table(entry);
            int chunk = (int) entry;
            if (table.uncompressedLength(chunk) == length
                    && table.blob().digester() == algorithm
                    && table.hasDigest(chunk, digest)) {
                return entry;
            }
        }
        return NONE;
    }

    ChunkTable table(long entry) {
        return tables.get((int) (entry >>> 32));
    }

    private int slot(byte[] digest) {
        // The first bytes: digests are uniform.
        int hash = (digest[0] & 0xff) << 24 | (digest[1] & 0xff) << 16 | (digest[2] & 0xff) << 8 | digest[3] & 0xff;
        return hash & (index.length - 1);
    }
}
