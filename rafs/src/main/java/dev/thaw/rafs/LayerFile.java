package dev.thaw.rafs;

import java.util.Arrays;

/** The chunks of a file of the layer blob that is being written, stored in it or shared with others. Four bytes per chunk. */
final class LayerFile implements FileChunks {
    private final LayerChunks stored;
    private final SharedChunks shared;
    /** Numbers of stored chunks, and the complement of those of shared ones. */
    private int[] chunks = new int[1];

    private int count;

    LayerFile(LayerChunks stored, SharedChunks shared) {
        this.stored = stored;
        this.shared = shared;
    }

    void addShared(int number) {
        add(~number);
    }

    void add(int chunk) {
        if (count == chunks.length) {
            chunks = Arrays.copyOf(chunks, count * 2);
        }
        chunks[count++] = chunk;
    }

    @Override
    public int count() {
        return count;
    }

    @Override
    public int blobIndex(int i) {
        // The layer's own blob, if it has one, is the first.
        return chunks[i] >= 0 ? 0 : shared.blob(~chunks[i]) + (stored.count() > 0 ? 1 : 0);
    }

    @Override
    public int chunkIndex(int i) {
        return chunks[i] >= 0 ? chunks[i] : shared.chunk(~chunks[i]);
    }

    @Override
    public long block(int i) {
        return chunks[i] >= 0 ? stored.block(chunks[i]) : shared.block(~chunks[i]);
    }
}
