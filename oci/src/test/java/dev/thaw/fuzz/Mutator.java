package dev.thaw.fuzz;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Damages bytes in the ways in which parsers have been found to break. The same random numbers give the same damage. */
final class Mutator {
    private static final int LARGEST_BYTES = 4 << 20;
    private static final long[] NUMBERS = {
        0,
        1,
        -1,
        0x7f,
        0x80,
        0xff,
        0xfff,
        0x1000,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffffL,
        0x80000000L,
        0xffffffffL,
        1L << 32,
        1L << 40,
        1L << 44,
        Long.MAX_VALUE,
        Long.MIN_VALUE
    };

    private final SplittableRandom random;
    private final List<byte[]> words;

    /** @param words what the format is made of: put in now and then */
    Mutator(SplittableRandom random, List<byte[]> words) {
        this.random = random;
        this.words = words;
    }

    /** @param other another input, of which parts may be taken */
    byte[] mutate(byte[] input, byte[] other) {
        byte[] bytes = input.clone();
        for (int left = 1 + random.nextInt(1 << random.nextInt(4)); left > 0; left--) {
            bytes = bytes.length == 0 ? insert(bytes, other) : once(bytes, other);
        }
        return bytes;
    }

    private byte[] once(byte[] bytes, byte[] other) {
        int at = place(bytes.length);
        switch (random.nextInt(12)) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bytes[at] = (byte) random.nextInt();
            case 2 -> bytes[at] += (byte) (random.nextInt(9) - 4);
            case 3, 4 -> number(bytes, at);
            case 5 -> {
                int length = length(bytes.length - at);
                Arrays.fill(bytes, at, at + length, (byte) (random.nextBoolean() ? 0 : random.nextInt()));
            }
            case 6 -> {
                int from = place(bytes.length);
                int length = length(bytes.length - Math.max(at, from));
                System.arraycopy(bytes, from, bytes, at, length);
            }
            case 7 -> {
                return random.nextInt(4) == 0 ? Arrays.copyOf(bytes, at) : remove(bytes, at);
            }
            case 8 -> {
                return insert(bytes, bytes);
            }
            case 9 -> {
                return insert(bytes, other);
            }
            default -> {
                if (words.isEmpty()) {
                    number(bytes, at);
                } else {
                    byte[] word = words.get(random.nextInt(words.size()));
                    if (random.nextBoolean()) {
                        return splice(bytes, at, at, word, 0, word.length);
                    }
                    System.arraycopy(word, 0, bytes, at, Math.min(word.length, bytes.length - at));
                }
            }
        }
        return bytes;
    }

    /** Anywhere, but headers, which stand in front or at the end, more often than their share. */
    private int place(int length) {
        int near = Math.min(length, 256);
        return switch (random.nextInt(4)) {
            case 0 -> random.nextInt(near);
            case 1 -> length - 1 - random.nextInt(near);
            default -> random.nextInt(length);
        };
    }

    private int length(int atMost) {
        return random.nextInt(Math.min(atMost, 1 << random.nextInt(13)) + 1);
    }

    private void number(byte[] bytes, int at) {
        int width = 1 << random.nextInt(4);
        int start = random.nextBoolean() ? at & -width : at;
        long number = NUMBERS[random.nextInt(NUMBERS.length)] + (random.nextInt(3) - 1) * random.nextInt(2);
        boolean big = random.nextInt(4) == 0;
        for (int i = 0; i < width && start + i < bytes.length; i++) {
            bytes[start + i] = (byte) (number >>> 8 * (big ? width - 1 - i : i));
        }
    }

    private byte[] remove(byte[] bytes, int at) {
        int length = length(bytes.length - at);
        return splice(bytes, at, at + length, bytes, 0, 0);
    }

    private byte[] insert(byte[] bytes, byte[] from) {
        int at = bytes.length == 0 ? 0 : place(bytes.length);
        int start = from.length == 0 ? 0 : place(from.length);
        return splice(bytes, at, at, from, start, length(from.length - start));
    }

    /** Replaces {@code [start, end)} by a part of another array, unless the result would be too long. */
    private static byte[] splice(byte[] bytes, int start, int end, byte[] from, int offset, int length) {
        if (bytes.length - (end - start) + length > LARGEST_BYTES) {
            return bytes;
        }
        var out = new ByteArrayOutputStream(bytes.length + length);
        out.write(bytes, 0, start);
        out.write(from, offset, length);
        out.write(bytes, end, bytes.length - end);
        return out.toByteArray();
    }
}
