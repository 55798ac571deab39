package dev.thaw.converter.tar;

import java.nio.charset.StandardCharsets;

/**
 * Names as strings with one char for each byte (Latin-1). The JVM keeps such strings in one byte a char, they compare as unsigned
 * bytes do, and no byte sequence is lost, as it would be by decoding UTF-8.
 */
public final class ByteNames {
    private ByteNames() {}

    public static String of(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    public static String of(byte[] bytes, int from, int length) {
        return new String(bytes, from, length, StandardCharsets.ISO_8859_1);
    }

    public static byte[] bytes(String name) {
        return name.getBytes(StandardCharsets.ISO_8859_1);
    }

    /** For people: decoded as UTF-8 where it is that, control characters replaced, shortened to 200 characters. */
    public static String text(String name) {
        var text = new String(bytes(name), StandardCharsets.UTF_8).replaceAll("\\p{Cntrl}", "\uFFFD");
        return text.length() <= 200 ? text : text.substring(0, 200) + "…";
    }
}
