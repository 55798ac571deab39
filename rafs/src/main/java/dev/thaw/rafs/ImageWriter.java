package dev.thaw.rafs;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Writes little-endian numbers front to back and knows where it is. The order of calls is the order of bytes. */
final class ImageWriter {
    private static final int BUFFER_BYTES = 1 << 16;

    private final OutputStream out;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private long flushed;

    ImageWriter(OutputStream out) {
        this.out = out;
    }

    long position() {
        return flushed + buffer.position();
    }

    ImageWriter u8(int value) throws IOException {
        room(1).put((byte) value);
        return this;
    }

    ImageWriter u16(int value) throws IOException {
        room(2).putShort((short) value);
        return this;
    }

    ImageWriter u32(long value) throws IOException {
        room(4).putInt((int) value);
        return this;
    }

    ImageWriter u64(long value) throws IOException {
        room(8).putLong(value);
        return this;
    }

    ImageWriter bytes(byte[] value) throws IOException {
        return bytes(value, 0, value.length);
    }

    ImageWriter bytes(byte[] value, int offset, int length) throws IOException {
        if (length > BUFFER_BYTES) {
            flush();
            out.write(value, offset, length);
            flushed += length;
        } else {
            room(length).put(value, offset, length);
        }
        return this;
    }

    /** Fills up to an absolute position, which must not lie behind. */
    ImageWriter zeroTo(long position) throws IOException {
        long missing = position - position();
        if (missing < 0) {
            throw new IllegalStateException("already at " + position() + ", beyond " + position);
        }
        while (missing > 0) {
            int now = (int) Math.min(missing, BUFFER_BYTES);
            room(now).put(new byte[now]);
            missing -= now;
        }
        return this;
    }

    void flush() throws IOException {
        out.write(buffer.array(), 0, buffer.position());
        flushed += buffer.position();
        buffer.clear();
    }

    private ByteBuffer room(int length) throws IOException {
        if (buffer.remaining() < length) {
            flush();
        }
        return buffer;
    }
}
