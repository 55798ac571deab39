package dev.thaw.rafs;

import java.util.Arrays;

/** The chunks of a file in the layer blob that is being written. Four bytes per chunk. */
final class LayerFile implements FileChunks {
    private final LayerChunks stored;
    private int[] chunks = new int[1];
    private int count;

    LayerFile(LayerChunks stored) {
        this.stored = stored;
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
        return 0;
    }

    @Override
    public int chunkIndex(int i) {
        return chunks[i];
    }

    @Override
    public long block(int i) {
        return stored.block(chunks[i]);
    }
}
