package dev.thaw.rafs;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The 512-byte GNU tar header that comes <em>after</em> each section of a blob, so that a blob can be written without knowing
 * sizes beforehand and read from its end.
 *
 * <pre>
 *  off size field
 *    0  100 name
 *  124   12 size      11 octal digits and NUL; from 8 GiB on a big-endian number with the top bit set
 *  136   12 mtime     eleven zeros
 *  148    8 checksum  sum of all bytes, with spaces here: seven octal digits and NUL
 *  156    1 type      '0'
 *  257    8 magic     "ustar  \0"
 * </pre>
 */
record TarHeader(String name, long size) {
    static final int BYTES = 512;

    private static final int SIZE = 124;
    private static final int MTIME = 136;
    private static final int CHECKSUM = 148;
    private static final int TYPE = 156;
    private static final int MAGIC = 257;
    private static final int NUMBER_BYTES = 12;
    private static final long OCTAL_LIMIT = 1L << 33;

    void write(ImageWriter out) throws IOException {
        byte[] header = new byte[BYTES];
        put(header, 0, name);
        if (size < OCTAL_LIMIT) {
            put(header, SIZE, octal(size, 11));
        } else {
            for (int i = 0; i < Long.BYTES; i++) {
                header[SIZE + NUMBER_BYTES - 1 - i] = (byte) (size >>> (8 * i));
            }
            header[SIZE] = (byte) 0x80;
        }
        put(header, MTIME, octal(0, 11));
        header[TYPE] = '0';
        put(header, MAGIC, "ustar  ");
        put(header, CHECKSUM, octal(checksum(header), 7));
        out.bytes(header);
    }

    static TarHeader read(Image in, long at) throws CorruptImageException {
        in.require(at, BYTES, "tar header");
        byte[] header = in.copy(at, BYTES);
        if (!text(header, MAGIC, 5).equals("ustar")) {
            throw in.corrupt(at + MAGIC, "no tar header here");
        }
        if (number(in, at, header, CHECKSUM, 8) != checksum(header)) {
            throw in.corrupt(at + CHECKSUM, "tar header has a wrong checksum");
        }
        return new TarHeader(text(header, 0, 100), number(in, at, header, SIZE, NUMBER_BYTES));
    }

    private static long number(Image in, long at, byte[] header, int offset, int length) throws CorruptImageException {
        if ((header[offset] & 0x80) != 0) {
            byte[] big = Arrays.copyOfRange(header, offset, offset + length);
            big[0] &= 0x7f;
            var value = new BigInteger(1, big);
            if (value.bitLength() < Long.SIZE) {
                return value.longValue();
            }
        } else {
            String digits = text(header, offset, length).strip();
            if (!digits.isEmpty() && digits.chars().allMatch(c -> c >= '0' && c <= '7')) {
                return Long.parseLong(digits, 8);
            }
        }
        throw in.corrupt(at + offset, "tar header holds no number here");
    }

    private static int checksum(byte[] header) {
        int sum = 8 * ' ';
        for (int i = 0; i < header.length; i++) {
            sum += i >= CHECKSUM && i < CHECKSUM + 8 ? 0 : header[i] & 0xff;
        }
        return sum;
    }

    private static String octal(long value, int digits) {
        return String.format("%0" + digits + "o", value);
    }

    private static void put(byte[] header, int offset, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(bytes, 0, header, offset, bytes.length);
    }

    private static String text(byte[] header, int offset, int length) {
        int end = offset;
        while (end < offset + length && header[end] != 0) {
            end++;
        }
        return new String(header, offset, end - offset, StandardCharsets.ISO_8859_1);
    }
}
