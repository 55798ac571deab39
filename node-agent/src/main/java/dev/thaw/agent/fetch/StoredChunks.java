package dev.thaw.agent.fetch;

import dev.thaw.agent.cache.ChunkLayout;
import dev.thaw.rafs.CorruptImageException;
import java.lang.foreign.MemorySegment;

/** A blob's chunks as they are stored in the registry, and as they are once decoded. */
public interface StoredChunks extends ChunkLayout {
    /** Of a chunk that is known. */
    long storedOffset(int chunk);

    int storedLength(int chunk);

    /** Whether what comes before the chunk belongs to another file, or the chunk to none that is known. */
    boolean beginsFile(int chunk);

    /** The first of the chunks that come along when this one is fetched, for decoding it passes over them. */
    default int firstTogether(int chunk) {
        return chunk;
    }

    /** The last of the chunks that come along at little cost when this one is fetched. */
    default int lastTogether(int chunk) {
        return chunk;
    }

    /** Decodes exactly {@link #length} bytes; whether they are the right ones is for the digest to say. */
    void decode(int chunk, MemorySegment stored, MemorySegment content) throws CorruptImageException;

    /**
     * What this and another image know of the same blob.
     *
     * @throws CorruptImageException when they contradict each other
     */
    StoredChunks union(StoredChunks other) throws CorruptImageException;
}
