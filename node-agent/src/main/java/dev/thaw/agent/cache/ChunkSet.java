package dev.thaw.agent.cache;

import java.util.concurrent.atomic.AtomicLongArray;

/** A set of chunk numbers that any thread may read and change. */
public final class ChunkSet {
    private final AtomicLongArray words;

    public ChunkSet(int count) {
        words = new AtomicLongArray((count + 63) >>> 6);
    }

    public boolean contains(int chunk) {
        return (words.get(chunk >>> 6) & bit(chunk)) != 0;
    }

    /** Adds a chunk. @return whether it was not there */
    public boolean add(int chunk) {
        return (words.getAndUpdate(chunk >>> 6, word -> word | bit(chunk)) & bit(chunk)) == 0;
    }

    /** Takes a chunk out. @return whether it was there */
    boolean remove(int chunk) {
        return (words.getAndUpdate(chunk >>> 6, word -> word & ~bit(chunk)) & bit(chunk)) != 0;
    }

    void addAll(long[] bits) {
        for (int i = 0; i < words.length(); i++) {
            words.set(i, bits[i]);
        }
    }

    long[] toBits() {
        var bits = new long[words.length()];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = words.get(i);
        }
        return bits;
    }

    /** The 64 chunks that one is among: chunk i is bit i%64. */
    long word(int chunk) {
        return words.get(chunk >>> 6);
    }

    private static long bit(int chunk) {
        return 1L << (chunk & 63);
    }
}
