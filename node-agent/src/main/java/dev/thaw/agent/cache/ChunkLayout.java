package dev.thaw.agent.cache;

import java.lang.foreign.MemorySegment;

/**
 * Where the chunks of one blob lie in its uncompressed address space, and how a chunk is known to be right. Chunks ascend and
 * begin on multiples of 4096. A chunk that no file of a known image uses may be unknown: it has length 0 and is never read.
 */
public interface ChunkLayout {
    int count();

    /** Never less than that of the chunk before. */
    long offset(int chunk);

    /** 0 for a chunk that is unknown. */
    int length(int chunk);

    /** Whether the bytes are the chunk's, by its digest. */
    boolean isIntact(int chunk, MemorySegment content);

    /** The last chunk that begins at or before the offset; −1 before the first. */
    default int floor(long offset) {
        int low = 0;
        int high = count() - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            if (offset(middle) <= offset) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return high;
    }

    /** Disk space of a chunk: its length in whole blocks of 4096 bytes. */
    default long footprint(int chunk) {
        return (length(chunk) + 4095L) & -4096L;
    }
}
