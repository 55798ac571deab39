package dev.thaw.rafs;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * Bytes to be read with suspicion. {@link #require(long, long, String)} first proves that a range lies inside; the getters then
 * read little-endian numbers from it. All arithmetic on lengths goes through here so that it cannot overflow.
 */
final class Image {
    static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment bytes;
    private final String name;
    private final long size;
    /**
     * The same bytes, if they are not too many for a buffer. Once compiled both are as fast; until then, when the first image
     * of a process is checked, a buffer is three times as fast.
     */
    private final @Nullable ByteBuffer buffer;

    Image(MemorySegment bytes, String name) {
        this.bytes = bytes;
        this.name = name;
        this.size = bytes.byteSize();
        this.buffer = size <= Integer.MAX_VALUE ? bytes.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN) : null;
    }

    MemorySegment bytes() {
        return bytes;
    }

    String name() {
        return name;
    }

    long size() {
        return size;
    }

    /** Proves that {@code length} bytes from {@code offset} lie inside; both may be any number. */
    void require(long offset, long length, String what) throws CorruptImageException {
        if (offset < 0 || length < 0 || offset > size() - length) {
            throw corrupt(
                    offset,
                    what + " of " + Long.toUnsignedString(length) + " bytes reaches beyond the end at " + size());
        }
    }

    CorruptImageException corrupt(long offset, String reason) {
        return new CorruptImageException(name, offset, reason);
    }

    int u8(long offset) {
        int value = buffer == null ? bytes.get(ValueLayout.JAVA_BYTE, offset) : buffer.get(Math.toIntExact(offset));
        return value & 0xff;
    }

    int u16(long offset) {
        int value = buffer == null ? bytes.get(U16, offset) : buffer.getShort(Math.toIntExact(offset));
        return value & 0xffff;
    }

    int i32(long offset) {
        return buffer == null ? bytes.get(U32, offset) : buffer.getInt(Math.toIntExact(offset));
    }

    long u32(long offset) {
        return i32(offset) & 0xffffffffL;
    }

    long i64(long offset) {
        return buffer == null ? bytes.get(U64, offset) : buffer.getLong(Math.toIntExact(offset));
    }

    /** A length or offset of 64 bits; what does not fit a positive long is corrupt anyway. */
    long u63(long offset, String what) throws CorruptImageException {
        long value = i64(offset);
        if (value < 0) {
            throw corrupt(offset, what + " is " + Long.toUnsignedString(value));
        }
        return value;
    }

    byte[] copy(long offset, int length) {
        if (buffer == null) {
            return bytes.asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE);
        }
        var copy = new byte[length];
        buffer.get(Math.toIntExact(offset), copy);
        return copy;
    }

    /** A NUL-padded ASCII field. */
    String ascii(long offset, int length) {
        int end = 0;
        while (end < length && u8(offset + end) != 0) {
            end++;
        }
        return new String(copy(offset, end), StandardCharsets.ISO_8859_1);
    }

    static long roundUp(long value, long alignment) {
        return (value + alignment - 1) & -alignment;
    }
}
