package dev.thaw.converter.layer;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * Reads a stream on a thread of its own, a few buffers ahead, so that downloading and decompressing go on while their consumer
 * compresses: the two halves of a conversion that cost most.
 *
 * <p>Memory: {@value #BUFFERS} + 2 buffers of {@value #BUFFER_BYTES} bytes.
 */
final class ReadAhead extends InputStream {
    static final int BUFFER_BYTES = 256 << 10;
    static final int BUFFERS = 8;

    private sealed interface Piece {}

    @SuppressWarnings("ArrayRecordComponent") // handed over, never compared
    private record Data(byte[] bytes, int length) implements Piece {}

    private record End(@Nullable Throwable failure) implements Piece {}

    private final BlockingQueue<Piece> full = new ArrayBlockingQueue<>(BUFFERS + 1);
    private final BlockingQueue<byte[]> empty = new ArrayBlockingQueue<>(BUFFERS + 2);
    private final InputStream in;
    private final Thread reader;
    private Piece current = new Data(new byte[0], 0);
    private int at;

    ReadAhead(InputStream in, String name) {
        this.in = in;
        for (var i = 0; i < BUFFERS; i++) {
            empty.add(new byte[BUFFER_BYTES]);
        }
        this.reader = Thread.ofVirtual().name("read-" + name).start(this::readAll);
    }

    private void readAll() {
        @Nullable Throwable failure = null;
        try {
            while (true) {
                var buffer = empty.take();
                var length = in.readNBytes(buffer, 0, buffer.length);
                if (length > 0) {
                    full.put(new Data(buffer, length));
                }
                if (length < buffer.length) {
                    break;
                }
            }
        } catch (InterruptedException e) {
            failure = new InterruptedIOException("reading was stopped");
        } catch (Throwable e) { // the consumer rethrows it
            failure = e;
        }
        // There is always room: data pieces never outnumber the buffers.
        full.add(new End(failure));
    }

    @Override
    public int read() throws IOException {
        var one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] out, int from, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        while (true) {
            switch (current) {
                case Data data
                when at < data.length -> {
                    var count = Math.min(length, data.length - at);
                    System.arraycopy(data.bytes, at, out, from, count);
                    at += count;
                    return count;
                }
                case Data data -> {
                    if (data.bytes.length > 0) {
                        empty.add(data.bytes);
                    }
                    at = 0;
                    current = take();
                }
                case End(Throwable failure)
                when failure != null -> throw failure instanceof IOException known ? known : new IOException(failure);
                case End end -> {
                    return -1;
                }
            }
        }
    }

    private Piece take() throws InterruptedIOException {
        try {
            return full.take();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("reading was stopped");
        }
    }

    /** Stops the reading thread and closes the stream below. */
    @Override
    public void close() throws IOException {
        reader.interrupt();
        in.close();
        try {
            reader.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
