package dev.thaw.converter.tar;

import java.util.Arrays;

/**
 * Which parts of a file are stored; the rest are holes. Two longs a part: position in the file and length.
 */
final class SparseMap {
    /** A map of more parts than this is refused; it would only serve to fill the memory. */
    static final int MAX_PARTS = 1 << 20;

    private long[] pairs = new long[8];
    private int count;

    void add(long position, long length, long offset) throws CorruptTarException {
        if (count == MAX_PARTS) {
            throw new CorruptTarException(offset, "a sparse file has more than " + MAX_PARTS + " parts");
        }
        if (pairs.length == 2 * count) {
            pairs = Arrays.copyOf(pairs, 4 * count);
        }
        pairs[2 * count] = position;
        pairs[2 * count + 1] = length;
        count++;
    }

    int count() {
        return count;
    }

    long position(int part) {
        return pairs[2 * part];
    }

    long length(int part) {
        return pairs[2 * part + 1];
    }

    /** Parts must ascend, must not overlap, must lie in the file and add up to what is stored. */
    void check(long storedBytes, long sizeBytes, long offset) throws CorruptTarException {
        long end = 0;
        long stored = 0;
        for (var part = 0; part < count; part++) {
            if (position(part) < end || length(part) < 0 || position(part) > sizeBytes - length(part)) {
                throw new CorruptTarException(offset, "a sparse file's map does not fit the file");
            }
            end = position(part) + length(part);
            stored += length(part);
        }
        if (stored != storedBytes) {
            throw new CorruptTarException(
                    offset, "a sparse file's map says " + stored + " bytes, stored are " + storedBytes);
        }
    }
}
