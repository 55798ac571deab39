package dev.thaw.oci;

import java.io.IOException;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/**
 * A blob of unknown size on its way to a registry. Bytes are gathered to chunks and sent by PATCH, one chunk while the next is
 * gathered; a chunk stays in memory until the registry has it. What fails is told by a later write or the commit.
 *
 * <p>{@link #commit()} makes it a blob. {@link #close()} without a commit cancels the upload, so that
 * try-with-resources leaves nothing behind. Not for use by several threads at once.
 */
public final class BlobUpload extends OutputStream {
    /** No chunk is larger, whatever a registry demands: two lie in memory. */
    static final int LARGEST_CHUNK_BYTES = 256 << 20;

    private static final int FIRST_BUFFER_BYTES = 64 << 10;

    private final Action action;
    private final Reference repository;
    private final ChunkSender sender;
    private final MessageDigest hasher = Digest.hasher("sha256");
    private final byte[] single = new byte[1];
    private final int chunkBytes;
    private byte[] buffer = new byte[FIRST_BUFFER_BYTES];
    private int buffered;
    private long sizeBytes;
    private @Nullable Sending sending;
    private boolean closed;

    BlobUpload(
            Exchange exchange,
            Endpoint endpoint,
            Reference repository,
            BlobChecker checker,
            Retries retries,
            int chunkBytes)
            throws IOException {
        this.action = new Action("upload a blob to", repository.name());
        this.repository = repository;
        this.sender = new ChunkSender(action, exchange, endpoint, repository, checker, retries);
        this.chunkBytes = Math.max(chunkBytes, sender.smallestChunk());
    }

    /** The chunk that was sent last, or is being sent. */
    private final class Sending {
        private final byte[] chunk;
        private final FutureTask<Void> task;
        private final Thread thread;

        Sending(byte[] chunk, int length) {
            this.chunk = chunk;
            this.task = new FutureTask<>(() -> {
                sender.send(chunk, length);
                return null;
            });
            this.thread = Thread.startVirtualThread(task);
        }

        /** Waits until the registry has it; whenever called again, it ends alike. */
        void await() throws IOException {
            try {
                task.get();
            } catch (InterruptedException e) {
                stop();
                throw action.interrupted();
            } catch (ExecutionException e) {
                throw e.getCause() instanceof IOException known ? known : new IOException(e.getCause());
            }
        }

        /** Waits for its end without caring what it is; what is under way is not repeated. */
        void stop() {
            thread.interrupt();
            while (true) {
                try {
                    thread.join();
                    return;
                } catch (InterruptedException e) {
                    // The answer is awaited all the same: without it the upload cannot be cancelled.
                }
            }
        }
    }

    /** How many bytes were written. */
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public void write(int b) throws IOException {
        single[0] = (byte) b;
        write(single, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, bytes.length);
        requireOpen();
        var from = offset;
        var left = length;
        while (left > 0) {
            // Only when more comes is a full chunk not the last, which may be sent with the commit.
            if (buffered == chunkBytes) {
                send();
            }
            var most = Math.min(left, chunkBytes - buffered);
            if (buffered + most > buffer.length) {
                buffer = Arrays.copyOf(buffer, Math.min(chunkBytes, Math.max(buffer.length * 2, buffered + most)));
            }
            System.arraycopy(bytes, from, buffer, buffered, most);
            hasher.update(bytes, from, most);
            buffered += most;
            sizeBytes += most;
            from += most;
            left -= most;
        }
    }

    /** Has the gathered bytes sent once the chunk before has arrived. */
    private void send() throws IOException {
        var next = new byte[0];
        if (sending != null) {
            sending.await();
            next = sending.chunk;
        }
        sending = new Sending(buffer, buffered);
        buffer = next;
        buffered = 0;
    }

    /** Does nothing: chunks have a least size, and only a commit makes content visible. */
    @Override
    public void flush() {}

    /**
     * Makes what was written a blob.
     *
     * @return its type-less descriptor: digest and size
     */
    public Descriptor commit() throws IOException {
        requireOpen();
        var digest = Digest.of("sha256", hasher);
        if (sending != null) {
            if (buffered > 0) {
                send();
            }
            sending.await();
        }
        sender.finish(digest, buffer, buffered);
        closed = true;
        sending = null;
        buffer = new byte[0];
        return new Descriptor(MediaTypes.OCTET_STREAM, digest, sizeBytes);
    }

    /**
     * Makes what was written a blob, if it has this digest.
     *
     * @throws RegistryException.Invalid if it has another; the upload is then cancelled
     */
    public Descriptor commit(Digest expected) throws IOException {
        requireOpen();
        MessageDigest soFar;
        try {
            soFar = (MessageDigest) hasher.clone();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("the platform's SHA-256 can be cloned", e);
        }
        var found = Digest.of("sha256", soFar);
        if (!found.equals(expected)) {
            abort();
            throw action.invalid(
                    "what was written has the digest %s, expected was %s".formatted(found, expected),
                    "nothing was published; write it again");
        }
        return commit();
    }

    /** Gives the upload up. Does nothing after a commit. */
    public void abort() {
        if (closed) {
            return;
        }
        closed = true;
        buffer = new byte[0];
        // Who is interrupted is told to end, and this is part of ending: the request must still go out.
        var isInterrupted = Thread.interrupted();
        try {
            if (sending != null) {
                sending.stop();
                sending = null;
            }
            sender.cancel();
        } finally {
            if (isInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** The same as {@link #abort()}: only a commit publishes. */
    @Override
    public void close() {
        abort();
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the upload to " + repository.name() + " is over");
        }
    }
}
