package dev.thaw.rafs;

import org.jspecify.annotations.Nullable;

/** The chunks of a file of a layer, where the merged bootstrap has them. The layer's bootstrap is read in place. */
final class MergedFile implements FileChunks {
    private final MergeLayer layer;
    private final long nid;
    private int count;
    /** Null until the file is known to stay. */
    private @Nullable MergedBlobs blobs;

    MergedFile(MergeLayer layer, long nid) {
        this.layer = layer;
        this.nid = nid;
    }

    boolean isUsed() {
        return blobs != null;
    }

    /** Marks the file's blobs and chunks as referred to. */
    void use(MergedBlobs merged) throws CorruptImageException {
        var indexes = layer.bootstrap().chunkIndexes(nid);
        count = indexes.count();
        blobs = merged;
        for (int i = 0; i < count; i++) {
            merged.use(layer, indexes.at(i));
        }
    }

    @Override
    public int count() {
        return count;
    }

    @Override
    public int blobIndex(int i) {
        return place(i).blob();
    }

    @Override
    public int chunkIndex(int i) {
        return place(i).chunk();
    }

    @Override
    public long block(int i) {
        return place(i).block();
    }

    private MergedBlobs.Place place(int i) {
        if (blobs == null) {
            throw new IllegalStateException("the file was not visited");
        }
        try {
            return blobs.place(layer, layer.bootstrap().fileChunk(nid, i));
        } catch (CorruptImageException e) {
            throw new IllegalStateException("the bootstrap changed while it was merged", e);
        }
    }
}
