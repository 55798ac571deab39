package dev.thaw.rafs.gzip;

import java.io.IOException;
import java.io.InputStream;
import java.util.HexFormat;
import java.util.Objects;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import java.util.zip.ZipException;

/**
 * Decodes a gzip stream from a {@link Checkpoint} on. Goes on into the members that follow; ends where the stored bytes end, so
 * whoever reads knows how many to expect. What it returns is unchecked: only a digest can tell whether the checkpoint was honest.
 *
 * <p>{@link Inflater} begins at whole bytes. The bits of a byte begun are brought to their place by empty blocks before them, so many
 * that together they fill whole bytes: an empty block of fixed codes has 10 bits, one of dynamic codes may have an odd number.
 */
public final class ResumedGzip extends InputStream {
    private static final int INPUT_BYTES = 64 << 10;
    private static final byte[] NOTHING = {};
    private static final int HEADER_BYTES = 10;
    private static final int FLAG_HEADER_CRC = 2;
    private static final int FLAG_EXTRA = 4;
    private static final int FLAG_NAME = 8;
    private static final int FLAG_COMMENT = 16;

    /** By the number of bits; their last byte lacks the upper ones. */
    private static final byte[][] PREFIXES = {
        {},
        HexFormat.of().parseHex("04e081080000000020f85b1f"),
        HexFormat.of().parseHex("02082000"),
        HexFormat.of().parseHex("04e081080000000020f85b1f01041000"),
        HexFormat.of().parseHex("020800"),
        HexFormat.of().parseHex("04e081080000000020f85b1f010400"),
        HexFormat.of().parseHex("0200"),
        HexFormat.of().parseHex("04e081080000000020f85b1f0100")
    };

    private final InputStream stored;
    private final Inflater inflater = new Inflater(true);
    private final byte[] input = new byte[INPUT_BYTES];
    private int start;
    private int end;

    /**
     * @param stored the stream's bytes from {@link Checkpoint#inOffset} on; not closed
     * @param bits as {@link Checkpoint#bits}, 0 … 7
     * @param carriedByte as {@link Checkpoint#carriedByte}; its lower bits are of no account
     * @param window as {@link Checkpoint#window}, at most 32 KiB
     */
    public ResumedGzip(InputStream stored, int bits, int carriedByte, byte[] window) throws IOException {
        this.stored = stored;
        Objects.checkIndex(bits, PREFIXES.length);
        if (window.length > 0) {
            inflater.setDictionary(window);
        }
        if (bits > 0) {
            byte[] prefix = PREFIXES[bits].clone();
            prefix[prefix.length - 1] |= (byte) (carriedByte & 0xff << 8 - bits);
            inflater.setInput(prefix);
            try {
                if (inflater.inflate(new byte[1]) != 0 || !inflater.needsInput()) {
                    throw new ZipException("bits before a checkpoint do not begin a block");
                }
            } catch (DataFormatException e) {
                throw corrupt(e);
            }
        }
    }

    @Override
    public int read() throws IOException {
        var one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] into, int from, int length) throws IOException {
        Objects.checkFromIndexSize(from, length, into.length);
        if (length == 0) {
            return 0;
        }
        try {
            while (true) {
                int n = inflater.inflate(into, from, length);
                if (n > 0) {
                    return n;
                }
                if (inflater.finished()) {
                    if (!nextMember()) {
                        return -1;
                    }
                } else if (inflater.needsDictionary()) {
                    throw new ZipException("a dictionary is wanted, which gzip has not");
                } else if (!fill()) {
                    return -1;
                }
            }
        } catch (DataFormatException e) {
            throw corrupt(e);
        }
    }

    private boolean fill() throws IOException {
        end = stored.read(input, 0, input.length);
        start = 0;
        if (end <= 0) {
            end = 0;
            return false;
        }
        inflater.setInput(input, 0, end);
        return true;
    }

    /** Passes over a member's trailer and the header of the next; false if the stored bytes end before its data. */
    private boolean nextMember() throws IOException {
        start = end - inflater.getRemaining();
        inflater.setInput(NOTHING);
        if (!skip(8)) {
            return false;
        }
        byte[] header = new byte[HEADER_BYTES];
        for (int i = 0; i < HEADER_BYTES; i++) {
            int b = next();
            if (b < 0) {
                return false;
            }
            header[i] = (byte) b;
        }
        if (header[0] != 0x1f || (header[1] & 0xff) != 0x8b || header[2] != 8) {
            throw new ZipException("garbage behind a gzip member");
        }
        int flags = header[3];
        if ((flags & FLAG_EXTRA) != 0 && !skip(next() | next() << 8)) {
            return false;
        }
        if ((flags & FLAG_NAME) != 0 && !skipText() || (flags & FLAG_COMMENT) != 0 && !skipText()) {
            return false;
        }
        if ((flags & FLAG_HEADER_CRC) != 0 && !skip(2)) {
            return false;
        }
        inflater.reset();
        inflater.setInput(input, start, end - start);
        return true;
    }

    private boolean skip(int bytes) throws IOException {
        for (int i = 0; i < bytes; i++) {
            if (next() < 0) {
                return false;
            }
        }
        return bytes >= 0;
    }

    private boolean skipText() throws IOException {
        int b = next();
        while (b > 0) {
            b = next();
        }
        return b == 0;
    }

    private int next() throws IOException {
        if (start == end) {
            int n = stored.read(input, 0, input.length);
            start = 0;
            end = Math.max(n, 0);
            if (end == 0) {
                return -1;
            }
        }
        return input[start++] & 0xff;
    }

    private static ZipException corrupt(DataFormatException e) {
        var corrupt = new ZipException("deflate: " + e.getMessage());
        corrupt.initCause(e);
        return corrupt;
    }

    /** Frees the inflater's memory; leaves the stored bytes alone. */
    @Override
    public void close() {
        inflater.end();
    }
}
