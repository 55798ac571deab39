package dev.thaw.rafs.gzip;

import java.util.Arrays;
import java.util.zip.ZipException;

/**
 * One canonical Huffman code of RFC 1951 as a look-up table by the next bits. An entry has all that decoding a symbol needs:
 *
 * <pre>
 *  bit 31      literal
 *  16..30      the literal; the first length or distance of the symbol's range; the index of a second table
 *  15          end of block, or no code at all
 *  14          second table
 *   8..13      bits of the code alone; bits that choose in the second table
 *   0..5       bits to take, those that choose inside the range included
 * </pre>
 *
 * So {@code held >>> entry} takes a symbol, for Java shifts by the lowest six bits.
 */
final class HuffmanTable {
    static final int LITERAL = 1 << 31;
    static final int SPECIAL = 1 << 15;
    static final int SECOND = 1 << 14;
    static final int END_OF_BLOCK = SPECIAL;
    static final int INVALID = SPECIAL | 1 << 16;

    private static final int MAX_BITS = 15;
    private static final int SECOND_ENTRIES = 288 / 2 << MAX_BITS - 11;
    private static final int[] LENGTH_BASES = {
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258
    };
    private static final int[] DISTANCE_BASES = {
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145, 8193, 12289, 16385, 24577
    };

    /** What a code's symbols mean. */
    enum Alphabet {
        /** Lengths of other codes: the symbol itself, as a literal. */
        CODE_LENGTHS(7, 19),
        LITERALS_AND_LENGTHS(11, 288),
        DISTANCES(9, 32);

        final int bits;
        private final int symbols;

        Alphabet(int bits, int symbols) {
            this.bits = bits;
            this.symbols = symbols;
        }

        /** Of each symbol its entry but for the bits of its code. */
        private int[] meanings() {
            var meanings = new int[symbols];
            Arrays.setAll(meanings, this::meaning);
            return meanings;
        }

        private int meaning(int symbol) {
            return switch (this) {
                case CODE_LENGTHS -> LITERAL | symbol << 16;
                case LITERALS_AND_LENGTHS -> {
                    if (symbol < 256) {
                        yield LITERAL | symbol << 16;
                    }
                    if (symbol == 256) {
                        yield END_OF_BLOCK;
                    }
                    int length = symbol - 257;
                    int extra = length < 8 || length == 28 ? 0 : (length >> 2) - 1;
                    yield length < LENGTH_BASES.length ? LENGTH_BASES[length] << 16 | extra : INVALID;
                }
                case DISTANCES -> {
                    int extra = symbol < 4 ? 0 : (symbol >> 1) - 1;
                    yield symbol < DISTANCE_BASES.length ? DISTANCE_BASES[symbol] << 16 | extra : INVALID;
                }
            };
        }
    }

    private final Alphabet alphabet;
    private final int[] meanings;
    private final int[] counts = new int[MAX_BITS + 1];
    /** Symbols by the lengths of their codes, and where those of each length end. */
    private final short[] sorted = new short[288];

    private final int[] ends = new int[MAX_BITS + 1];
    private int used;
    /** The first table, and behind it the second ones: of a complete code at most one for every two symbols. */
    final int[] entries;

    HuffmanTable(Alphabet alphabet) {
        this.alphabet = alphabet;
        this.meanings = alphabet.meanings();
        this.entries = new int[(1 << alphabet.bits) + SECOND_ENTRIES];
    }

    /** Makes the table of a code that is given by the lengths of its symbols' codes; 0 for a symbol that does not occur. */
    void build(byte[] lengths, int from, int symbols) throws ZipException {
        int longest = count(lengths, from, symbols);
        sort(lengths, from, symbols);
        int code = 0;
        int next = 0;
        int filled = 1;
        entries[0] = INVALID;
        for (int length = 1; length <= alphabet.bits; length++) {
            // What is known by fewer bits is the same whatever the next bit is.
            System.arraycopy(entries, 0, entries, filled, filled);
            filled <<= 1;
            for (code <<= 1; next < ends[length]; code++, next++) {
                entries[reversed(code, length)] = entry(sorted[next], length);
            }
        }
        used = filled;
        for (int length = alphabet.bits + 1; length <= longest; length++) {
            for (code <<= 1; next < ends[length]; code++, next++) {
                putSecond(sorted[next], length, reversed(code, length), longest);
            }
        }
    }

    /** @param length bits of the code that are looked up where the entry stands */
    private int entry(int symbol, int length) {
        int meaning = meanings[symbol];
        return meaning & ~0x3f | length << 8 | length + (meaning & 0x3f);
    }

    private static int reversed(int code, int length) {
        return Integer.reverse(code) >>> (32 - length);
    }

    /** Counts codes by length, and gives the longest. */
    private int count(byte[] lengths, int from, int symbols) throws ZipException {
        Arrays.fill(counts, 0);
        for (int i = 0; i < symbols; i++) {
            counts[lengths[from + i]]++;
        }
        counts[0] = 0;
        int longest = 0;
        int left = 1;
        for (int length = 1; length <= MAX_BITS; length++) {
            left = (left << 1) - counts[length];
            if (left < 0) {
                throw new ZipException("deflate: a code has more symbols than fit");
            }
            if (counts[length] > 0) {
                longest = length;
            }
        }
        // A single symbol of one bit, or none, leaves part of the code unused (RFC 1951, 3.2.7); zlib allows it so too.
        if (left > 0 && (alphabet == Alphabet.CODE_LENGTHS || longest > 1)) {
            throw new ZipException("deflate: a code is incomplete");
        }
        return longest;
    }

    private void sort(byte[] lengths, int from, int symbols) {
        ends[0] = 0;
        for (int length = 1; length <= MAX_BITS; length++) {
            ends[length] = ends[length - 1] + counts[length - 1];
        }
        for (int symbol = 0; symbol < symbols; symbol++) {
            int length = lengths[from + symbol];
            if (length > 0) {
                sorted[ends[length]++] = (short) symbol;
            }
        }
    }

    /** Puts a symbol whose code is longer than what the first table is looked up by. */
    private void putSecond(int symbol, int length, int reversed, int longest) {
        int head = reversed & ((1 << alphabet.bits) - 1);
        int secondBits = longest - alphabet.bits;
        if ((entries[head] & SECOND) == 0) {
            entries[head] = used << 16 | SECOND | secondBits << 8 | alphabet.bits;
            Arrays.fill(entries, used, used + (1 << secondBits), INVALID);
            used += 1 << secondBits;
        }
        int start = entries[head] >>> 16;
        int rest = length - alphabet.bits;
        int entry = entry(symbol, rest);
        for (int i = reversed >>> alphabet.bits; i < 1 << secondBits; i += 1 << rest) {
            entries[start + i] = entry;
        }
    }
}
