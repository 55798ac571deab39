package dev.thaw.agent.cache;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;

/** Chunks of random bytes, each a bit shorter than its blocks, whose right content is known. */
public class FakeLayout implements ChunkLayout {
    public static final int CHUNK_BYTES = 8192;

    private final byte[][] chunks;

    public FakeLayout(int count, long seed) {
        var random = new SplittableRandom(seed);
        chunks = new byte[count][];
        for (int i = 0; i < count; i++) {
            chunks[i] = new byte[CHUNK_BYTES - random.nextInt(4000)];
            random.nextBytes(chunks[i]);
        }
    }

    public byte[] content(int chunk) {
        return chunks[chunk];
    }

    /** A copy in native memory, as the store wants it. */
    public MemorySegment segment(int chunk) {
        return java.lang.foreign.Arena.ofAuto()
                .allocate(chunks[chunk].length, 8)
                .copyFrom(MemorySegment.ofArray(chunks[chunk]));
    }

    public long sizeBytes() {
        return (long) chunks.length * CHUNK_BYTES;
    }

    /** What a reader of the device sees of a range once all is there: chunks, and zeros between them. */
    public byte[] device(long offset, int length) {
        var all = new byte[(int) sizeBytes()];
        for (int i = 0; i < chunks.length; i++) {
            System.arraycopy(chunks[i], 0, all, i * CHUNK_BYTES, chunks[i].length);
        }
        return Arrays.copyOfRange(all, (int) offset, (int) offset + length);
    }

    @Override
    public int count() {
        return chunks.length;
    }

    @Override
    public long offset(int chunk) {
        return (long) chunk * CHUNK_BYTES;
    }

    @Override
    public int length(int chunk) {
        return chunks[chunk].length;
    }

    @Override
    public boolean isIntact(int chunk, MemorySegment content) {
        return Arrays.equals(content.toArray(ValueLayout.JAVA_BYTE), chunks[chunk]);
    }
}
