package dev.thaw.rafs.gzip;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * A stream read bit by bit, the lowest bit of each byte first, as deflate has it. Knows the position of every bit.
 *
 * <p>Up to 63 bits are held. Above them the holder may have bits of the bytes that follow already; taking those bytes puts the same
 * bits there again. So bytes are only ever looked at when they are there, or when the stream is over and zeros follow.
 */
final class BitSource {
    static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private static final int BUFFER_BYTES = 128 << 10;
    /** Zeros behind the end, for loops that look further than they use. */
    private static final int PADDING_BYTES = 64;

    private final InputStream in;
    final byte[] buffer = new byte[BUFFER_BYTES + PADDING_BYTES];
    int next;
    int end;
    long held;
    int count;
    private long bufferStart;
    private boolean isOver;

    BitSource(InputStream in) {
        this.in = in;
    }

    /** Position of the next bit. */
    long bitPosition() {
        return (bufferStart + next) * 8 - count;
    }

    /** The last index from which a decoding loop may begin a round; a round takes at most sixteen bytes. */
    int lastSafe() {
        return isOver ? end + PADDING_BYTES - 24 : end - 16;
    }

    /** Reads on until there are enough bytes for a round of a decoding loop, or the stream is over. */
    void refill() throws IOException {
        if (isOver || end - next >= 16) {
            return;
        }
        int from = Math.min(next, end);
        System.arraycopy(buffer, from, buffer, 0, end - from);
        bufferStart += from;
        next -= from;
        end -= from;
        while (end < BUFFER_BYTES && end - next < 4096) {
            int n = in.read(buffer, end, BUFFER_BYTES - end);
            if (n < 0) {
                isOver = true;
                java.util.Arrays.fill(buffer, end, end + PADDING_BYTES, (byte) 0);
                return;
            }
            end += n;
        }
    }

    /** Whether more bits were used than there are. */
    boolean isOverrun() {
        return isOver && next - (count >>> 3) > end;
    }

    private void fill() throws IOException {
        refill();
        if (next > end + PADDING_BYTES - 8) {
            throw new EOFException("the compressed data ends too early");
        }
        held |= (long) LONG.get(buffer, next) << count;
        next += (63 - count) >>> 3;
        count |= 56;
    }

    /** The next bits, at most 32, without taking them. */
    int peek(int bits) throws IOException {
        if (count < bits) {
            fill();
        }
        return (int) (held & ((1L << bits) - 1));
    }

    int take(int bits) throws IOException {
        int value = peek(bits);
        drop(bits);
        return value;
    }

    /** Takes bits that were peeked at. */
    void drop(int bits) throws EOFException {
        held >>>= bits;
        count -= bits;
        if (isOverrun()) {
            throw new EOFException("the compressed data ends too early");
        }
    }

    /** Goes to the next multiple of eight. */
    void align() throws EOFException {
        drop(count & 7);
    }

    /** Whether there is no further byte; only at a byte's beginning. */
    boolean isAtEnd() throws IOException {
        giveBack();
        refill();
        return isOver && next >= end;
    }

    int takeByte() throws IOException {
        return take(8);
    }

    /** Copies bytes; only at a byte's beginning. At least one unless {@code length} is 0. */
    int takeBytes(byte[] into, int from, int length) throws IOException {
        giveBack();
        if (next >= end) {
            refill();
            if (next >= end) {
                throw new EOFException("the compressed data ends too early");
            }
        }
        int now = Math.min(length, end - next);
        System.arraycopy(buffer, next, into, from, now);
        next += now;
        return now;
    }

    /** Puts whole bytes that are held back into the buffer. */
    private void giveBack() {
        next -= count >>> 3;
        count = 0;
        held = 0;
    }
}
