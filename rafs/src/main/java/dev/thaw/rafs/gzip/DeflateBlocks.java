package dev.thaw.rafs.gzip;

import java.io.EOFException;
import java.io.IOException;
import java.util.zip.ZipException;

/**
 * Decodes the blocks of one deflate stream (RFC 1951) into a buffer, a piece at a time, and stops between blocks so that one can see
 * where they begin.
 *
 * <p>A decoder of our own, because {@link java.util.zip.Inflater} does not tell where blocks begin. Two things make it fast: a symbol
 * is one look-up, for which {@link HuffmanTable} has all of it in one number, and 56 bits are taken from the input at a time.
 */
final class DeflateBlocks {
    static final int WINDOW_BYTES = 32 << 10;
    /** How far a round may write beyond the limit it was given: three literals, a match, and what is copied too much. */
    static final int OVERSHOOT_BYTES = 3 + 258 + 8;

    private static final int MAX_LITERALS = 286;
    private static final int MAX_DISTANCES = 30;
    private static final int CODE_LENGTHS = 19;
    private static final byte[] CODE_LENGTH_ORDER = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    private static final int LITERAL_MASK = (1 << HuffmanTable.Alphabet.LITERALS_AND_LENGTHS.bits) - 1;
    private static final int DISTANCE_MASK = (1 << HuffmanTable.Alphabet.DISTANCES.bits) - 1;
    private static final int NOT_PLAIN = HuffmanTable.SPECIAL | HuffmanTable.SECOND;

    private enum Kind {
        NONE,
        STORED,
        CODED
    }

    private final BitSource in;
    private final byte[] lengths = new byte[320];
    private final HuffmanTable codeLengths = new HuffmanTable(HuffmanTable.Alphabet.CODE_LENGTHS);
    private final HuffmanTable dynamicLiterals = new HuffmanTable(HuffmanTable.Alphabet.LITERALS_AND_LENGTHS);
    private final HuffmanTable dynamicDistances = new HuffmanTable(HuffmanTable.Alphabet.DISTANCES);
    private final HuffmanTable fixedLiterals = new HuffmanTable(HuffmanTable.Alphabet.LITERALS_AND_LENGTHS);
    private final HuffmanTable fixedDistances = new HuffmanTable(HuffmanTable.Alphabet.DISTANCES);

    private Kind kind = Kind.NONE;
    private boolean isLast;
    private int storedLeft;
    private int[] literals = fixedLiterals.entries;
    private int[] distances = fixedDistances.entries;

    /** Where in the buffer the stream's output began; nothing before it may be referred to. */
    int historyStart;
    /** Next byte of the buffer to be written. */
    int out;
    /** Matches that begin before this index are noted. */
    int notedBefore = Integer.MIN_VALUE;

    final WindowUse noted = new WindowUse();

    DeflateBlocks(BitSource in) throws ZipException {
        this.in = in;
        java.util.Arrays.fill(lengths, 0, 144, (byte) 8);
        java.util.Arrays.fill(lengths, 144, 256, (byte) 9);
        java.util.Arrays.fill(lengths, 256, 280, (byte) 7);
        java.util.Arrays.fill(lengths, 280, 288, (byte) 8);
        fixedLiterals.build(lengths, 0, 288);
        java.util.Arrays.fill(lengths, 0, 32, (byte) 5);
        fixedDistances.build(lengths, 0, 32);
    }

    /** Whether the next bit is the first of a block, or the stream is over. */
    boolean isBetweenBlocks() {
        return kind == Kind.NONE;
    }

    /** Whether the block read last is the stream's last. */
    boolean isOver() {
        return kind == Kind.NONE && isLast;
    }

    /** A new stream begins here. */
    void restart(int at) {
        isLast = false;
        kind = Kind.NONE;
        historyStart = at;
    }

    /** Reads the header of the next block. */
    void begin() throws IOException {
        isLast = in.take(1) == 1;
        switch (in.take(2)) {
            case 0 -> {
                in.align();
                storedLeft = in.take(16);
                if ((storedLeft ^ 0xffff) != in.take(16)) {
                    throw new ZipException("deflate: a stored block has two lengths");
                }
                kind = storedLeft == 0 ? Kind.NONE : Kind.STORED;
            }
            case 1 -> {
                literals = fixedLiterals.entries;
                distances = fixedDistances.entries;
                kind = Kind.CODED;
            }
            case 2 -> {
                readCodes();
                literals = dynamicLiterals.entries;
                distances = dynamicDistances.entries;
                kind = Kind.CODED;
            }
            default -> throw new ZipException("deflate: a block of an unknown kind");
        }
    }

    private void readCodes() throws IOException {
        int literalCount = in.take(5) + 257;
        int distanceCount = in.take(5) + 1;
        int lengthCount = in.take(4) + 4;
        if (literalCount > MAX_LITERALS || distanceCount > MAX_DISTANCES) {
            throw new ZipException("deflate: a code of too many symbols");
        }
        java.util.Arrays.fill(lengths, 0, CODE_LENGTHS, (byte) 0);
        for (int i = 0; i < lengthCount; i++) {
            lengths[CODE_LENGTH_ORDER[i]] = (byte) in.take(3);
        }
        codeLengths.build(lengths, 0, CODE_LENGTHS);
        int total = literalCount + distanceCount;
        for (int i = 0; i < total; ) {
            int entry = codeLengths.entries[in.peek(7)];
            if ((entry & HuffmanTable.SPECIAL) != 0) {
                throw new ZipException("deflate: a code length that has no code");
            }
            in.drop(entry & 0x3f);
            int symbol = entry >>> 16 & 0x1f;
            if (symbol < 16) {
                lengths[i++] = (byte) symbol;
                continue;
            }
            byte value = 0;
            int repeat;
            if (symbol == 16) {
                if (i == 0) {
                    throw new ZipException("deflate: a code begins with a repetition");
                }
                value = lengths[i - 1];
                repeat = 3 + in.take(2);
            } else {
                repeat = symbol == 17 ? 3 + in.take(3) : 11 + in.take(7);
            }
            if (i + repeat > total) {
                throw new ZipException("deflate: a repetition reaches beyond its code");
            }
            java.util.Arrays.fill(lengths, i, i + repeat, value);
            i += repeat;
        }
        if (lengths[256] == 0) {
            throw new ZipException("deflate: a block without an end");
        }
        dynamicLiterals.build(lengths, 0, literalCount);
        dynamicDistances.build(lengths, literalCount, distanceCount);
    }

    /** Goes on in the block until its end, or until the limit is reached or passed by at most {@link #OVERSHOOT_BYTES}. */
    void decode(byte[] buffer, int limit) throws IOException {
        switch (kind) {
            case NONE -> {}
            case STORED -> {
                while (storedLeft > 0 && out < limit) {
                    int n = in.takeBytes(buffer, out, Math.min(storedLeft, limit - out));
                    out += n;
                    storedLeft -= n;
                }
                if (storedLeft == 0) {
                    kind = Kind.NONE;
                }
            }
            case CODED -> {
                while (kind == Kind.CODED && out < limit) {
                    in.refill();
                    rounds(buffer, limit);
                    if (in.isOverrun()) {
                        throw new EOFException("the compressed data ends too early");
                    }
                }
            }
        }
    }

    /** The loop that does the work. Everything it changes is in local variables until it ends. */
    private void rounds(byte[] buffer, int limit) throws ZipException {
        byte[] input = in.buffer;
        int[] literalEntries = literals;
        int[] distanceEntries = distances;
        int lastSafe = in.lastSafe();
        int next = in.next;
        long held = in.held;
        int count = in.count;
        int at = out;
        int start = historyStart;
        int noteBefore = notedBefore;
        boolean isEnded = false;
        while (at < limit && next <= lastSafe) {
            held |= (long) BitSource.LONG.get(input, next) << count;
            next += (63 - count) >>> 3;
            count |= 56;

            int entry = literalEntries[(int) held & LITERAL_MASK];
            if (entry < 0) {
                held >>>= entry;
                count -= entry & 0x3f;
                buffer[at++] = (byte) (entry >>> 16);
                entry = literalEntries[(int) held & LITERAL_MASK];
                if (entry < 0) {
                    held >>>= entry;
                    count -= entry & 0x3f;
                    buffer[at++] = (byte) (entry >>> 16);
                    entry = literalEntries[(int) held & LITERAL_MASK];
                    if (entry < 0) {
                        held >>>= entry;
                        count -= entry & 0x3f;
                        buffer[at++] = (byte) (entry >>> 16);
                        continue;
                    }
                }
            }
            if ((entry & NOT_PLAIN) != 0) {
                if ((entry & HuffmanTable.SECOND) != 0) {
                    held >>>= entry;
                    count -= entry & 0x3f;
                    entry = literalEntries[(entry >>> 16) + ((int) held & ((1 << (entry >>> 8 & 0x3f)) - 1))];
                    if (entry < 0) {
                        held >>>= entry;
                        count -= entry & 0x3f;
                        buffer[at++] = (byte) (entry >>> 16);
                        continue;
                    }
                }
                if ((entry & HuffmanTable.SPECIAL) != 0) {
                    if ((entry & HuffmanTable.INVALID) == HuffmanTable.INVALID) {
                        throw new ZipException("deflate: bits that are no symbol");
                    }
                    held >>>= entry;
                    count -= entry & 0x3f;
                    isEnded = true;
                    break;
                }
            }
            int length = (entry >>> 16) + (int) ((held & ((1L << entry) - 1)) >>> (entry >>> 8));
            held >>>= entry;
            count -= entry & 0x3f;

            // Up to 42 bits are gone; a distance may take 28.
            held |= (long) BitSource.LONG.get(input, next) << count;
            next += (63 - count) >>> 3;
            count |= 56;
            entry = distanceEntries[(int) held & DISTANCE_MASK];
            if ((entry & NOT_PLAIN) != 0) {
                if ((entry & HuffmanTable.SECOND) != 0) {
                    held >>>= entry;
                    count -= entry & 0x3f;
                    entry = distanceEntries[(entry >>> 16) + ((int) held & ((1 << (entry >>> 8 & 0x3f)) - 1))];
                }
                if ((entry & HuffmanTable.SPECIAL) != 0) {
                    throw new ZipException("deflate: bits that are no distance");
                }
            }
            int distance = (entry >>> 16) + (int) ((held & ((1L << entry) - 1)) >>> (entry >>> 8));
            held >>>= entry;
            count -= entry & 0x3f;

            int from = at - distance;
            if (from < start) {
                throw new ZipException("deflate: a distance reaches back beyond the beginning");
            }
            if (from < noteBefore) {
                noted.add(from - noteBefore, length);
            }
            int end = at + length;
            if (distance >= 8) {
                do {
                    BitSource.LONG.set(buffer, at, (long) BitSource.LONG.get(buffer, from));
                    at += 8;
                    from += 8;
                } while (at < end);
            } else if (distance == 1) {
                java.util.Arrays.fill(buffer, at, end, buffer[from]);
            } else {
                while (at < end) {
                    buffer[at++] = buffer[from++];
                }
            }
            at = end;
        }
        in.next = next;
        in.held = held;
        in.count = count;
        out = at;
        if (isEnded) {
            kind = Kind.NONE;
        }
    }
}
