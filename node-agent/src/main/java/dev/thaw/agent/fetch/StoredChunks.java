package dev.thaw.agent.fetch;

import dev.thaw.agent.cache.ChunkLayout;
import dev.thaw.rafs.CorruptImageException;
import java.lang.foreign.MemorySegment;

/** A blob's chunks as they are stored in the registry, and as they are once decoded. */
public interface StoredChunks extends ChunkLayout {
    /** Of a chunk that is known. */
    long storedOffset(int chunk);

    int storedLength(int chunk);

    /** Decodes exactly {@link #length} bytes; whether they are the right ones is for the digest to say. */
    void decode(int chunk, MemorySegment stored, MemorySegment content) throws CorruptImageException;

    /**
     * What this and another image know of the same blob.
     *
     * @throws CorruptImageException when they contradict each other
     */
    StoredChunks union(StoredChunks other) throws CorruptImageException;
}
