package dev.thaw.rafs;

import java.lang.foreign.MemorySegment;

public final class ChunkTable {
    public static ChunkTable of(BlobInfo blob, byte[] ciStored, byte[] ciHeader, byte[] digests) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    /**
     * The chunks of one blob as the bootstrap itself knows them: nothing need be fetched. Chunks that no file refers to are
     * absent ({@link #isPresent}).
     */
    public static ChunkTable fromBootstrap(Bootstrap bootstrap, int blobIndex) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public BlobInfo blob() {
        throw new UnsupportedOperationException();
    }

    public int count() {
        throw new UnsupportedOperationException();
    }

    public boolean isPresent(int i) {
        throw new UnsupportedOperationException();
    }

    public long uncompressedOffset(int i) {
        throw new UnsupportedOperationException();
    }

    public int uncompressedLength(int i) {
        throw new UnsupportedOperationException();
    }

    public long compressedOffset(int i) {
        throw new UnsupportedOperationException();
    }

    public int compressedLength(int i) {
        throw new UnsupportedOperationException();
    }

    public boolean compressed(int i) {
        throw new UnsupportedOperationException();
    }

    public int indexAt(long deviceOffset) {
        throw new UnsupportedOperationException();
    }

    public boolean digestMatches(int i, MemorySegment uncompressed) {
        throw new UnsupportedOperationException();
    }

    public void digest(int i, byte[] out) {
        throw new UnsupportedOperationException();
    }
}
