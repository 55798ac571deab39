package dev.thaw.rafs;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * One extended attribute. Equal by content.
 *
 * @param name whole name with its prefix, such as {@code security.capability}
 * @param value raw bytes as the kernel hands them out
 */
@SuppressWarnings("ArrayRecordComponent") // equality is written out below
public record Xattr(byte[] name, byte[] value) {
    public static Xattr of(String name, byte[] value) {
        return new Xattr(name.getBytes(StandardCharsets.UTF_8), value);
    }

    /** The name for people; bytes that are no UTF-8 are replaced. */
    public String text() {
        return new String(name, StandardCharsets.UTF_8);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Xattr that && Arrays.equals(name, that.name) && Arrays.equals(value, that.value);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(name) + Arrays.hashCode(value);
    }

    @Override
    public String toString() {
        return text() + "=" + HexFormat.of().formatHex(value);
    }
}
