package dev.thaw.rafs;

import org.jspecify.annotations.Nullable;

/** The chunks of a file of a layer, with the numbers that blobs have in the merged bootstrap. The layer's bootstrap is read in place. */
final class MergedFile implements FileChunks {
    private final MergeLayer layer;
    private final long nid;
    private int count;
    /** By the layer's blob index; shared by all files of the layer. Null until the file is known to stay. */
    private int @Nullable [] blobNumbers;

    MergedFile(MergeLayer layer, long nid) {
        this.layer = layer;
        this.nid = nid;
    }

    boolean isUsed() {
        return blobNumbers != null;
    }

    /** Marks the file's blobs and chunks as referred to. */
    void use(MergedBlobs blobs) throws CorruptImageException {
        count = layer.bootstrap().chunkCount(nid);
        blobNumbers = blobs.numbersFor(layer);
        for (int i = 0; i < count; i++) {
            blobs.use(layer, layer.bootstrap().fileChunk(nid, i));
        }
    }

    @Override
    public int count() {
        return count;
    }

    @Override
    public int blobIndex(int i) {
        if (blobNumbers == null) {
            throw new IllegalStateException("the file was not visited");
        }
        return blobNumbers[chunk(i).blobIndex()];
    }

    @Override
    public int chunkIndex(int i) {
        return chunk(i).chunkIndex();
    }

    @Override
    public long block(int i) {
        return chunk(i).deviceOffset() / SuperBlock.BLOCK_BYTES;
    }

    private FileChunk chunk(int i) {
        try {
            return layer.bootstrap().fileChunk(nid, i);
        } catch (CorruptImageException e) {
            throw new IllegalStateException("the bootstrap changed while it was merged", e);
        }
    }
}
