package dev.thaw.rafs.gzip;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;

/**
 * Content that compresses as text does, and is the same everywhere: {@code next = next * 1103515245 + 12345} modulo 2^31, a word of
 * {@code next >> 16}.
 */
final class Text {
    private static final int WORDS = 700;

    private Text() {}

    static byte[] of(int bytes) {
        var out = new ByteArrayOutputStream();
        long next = 1;
        while (out.size() < bytes) {
            next = next * 1103515245 + 12345 & 0x7fff_ffffL;
            long word = (next >> 16) % WORDS;
            for (long left = word * word + 31; left > 0; left /= 23) {
                out.write((int) ('a' + left % 23));
            }
            out.write(word % 11 == 0 ? '\n' : ' ');
        }
        return Arrays.copyOf(out.toByteArray(), bytes);
    }
}
