package dev.thaw.oci;

import java.io.IOException;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Consumer;
import okhttp3.MediaType;
import okhttp3.RequestBody;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A blob of unknown size on its way to a registry. Bytes are gathered to chunks and sent by PATCH; a chunk stays in
 * memory until the registry has it, and after a failure the registry is asked how much it holds and gets the rest.
 *
 * <p>{@link #commit()} makes it a blob. {@link #close()} without a commit cancels the upload, so that
 * try-with-resources leaves nothing behind. Not for use by several threads at once.
 */
public final class BlobUpload extends OutputStream {
    /** No chunk is larger, whatever a registry demands: it lies in memory. */
    static final int LARGEST_CHUNK_BYTES = 256 << 20;

    private static final Logger LOG = LoggerFactory.getLogger(BlobUpload.class);
    private static final int FIRST_BUFFER_BYTES = 64 << 10;
    private static final MediaType BYTES = MediaType.get(MediaTypes.OCTET_STREAM);

    private final Action action;
    private final Exchange exchange;
    private final Endpoint endpoint;
    private final Reference repository;
    private final BlobChecker checker;
    private final Retries retries;
    private final MessageDigest hasher = Digest.hasher("sha256");
    private final byte[] single = new byte[1];
    private final int chunkBytes;
    private byte[] buffer = new byte[FIRST_BUFFER_BYTES];
    private int buffered;
    private long acknowledged;
    private UploadSession session;
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
        this.exchange = exchange;
        this.endpoint = endpoint;
        this.repository = repository;
        this.checker = checker;
        this.retries = retries;
        this.session = open();
        this.chunkBytes = Math.max(chunkBytes, session.smallestChunk());
    }

    private UploadSession open() throws IOException {
        return retries.call(action, this::openOnce);
    }

    private UploadSession openOnce() throws IOException {
        return toItsEnd(
                () -> UploadSession.open(action, exchange, endpoint, repository), opened -> opened.cancel(action));
    }

    /**
     * Takes a step in a thread that nobody interrupts. An upload changes its name with each answer: one whose answer was not
     * awaited would be left in the registry, and nobody could name it.
     *
     * @param undone takes back what was reached, for who is interrupted meanwhile
     */
    private <T> T toItsEnd(Callable<T> step, Consumer<T> undone) throws IOException {
        var task = new FutureTask<>(step);
        Thread.startVirtualThread(task);
        var isInterrupted = false;
        while (true) {
            try {
                var reached = task.get();
                if (isInterrupted) {
                    undone.accept(reached);
                    throw action.interrupted();
                }
                return reached;
            } catch (InterruptedException e) {
                isInterrupted = true;
            } catch (ExecutionException e) {
                if (isInterrupted) {
                    throw action.interrupted();
                }
                throw e.getCause() instanceof IOException known ? known : new IOException(e.getCause());
            }
        }
    }

    private void append(int from) throws IOException {
        toItsEnd(
                () -> {
                    session.append(action, acknowledged + from, buffer, from, buffered - from);
                    return session;
                },
                appended -> {});
    }

    private void reopen() throws IOException {
        session.cancel(action);
        session = open();
    }

    /** How many bytes were written. */
    public long sizeBytes() {
        return acknowledged + buffered;
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
                sendBuffered();
            }
            var most = Math.min(left, chunkBytes - buffered);
            if (buffered + most > buffer.length) {
                buffer = Arrays.copyOf(buffer, Math.min(chunkBytes, Math.max(buffer.length * 2, buffered + most)));
            }
            System.arraycopy(bytes, from, buffer, buffered, most);
            hasher.update(bytes, from, most);
            buffered += most;
            from += most;
            left -= most;
        }
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
        var size = sizeBytes();
        if (acknowledged > 0 && buffered > 0) {
            sendBuffered();
        }
        finish(digest);
        closed = true;
        buffer = new byte[0];
        return new Descriptor(MediaTypes.OCTET_STREAM, digest, size);
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
            session.cancel(action);
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

    private void sendBuffered() throws IOException {
        var sent = 0;
        var failures = 0;
        while (sent < buffered) {
            try {
                append(sent);
                sent = buffered;
            } catch (RegistryException e) {
                // 416: the registry holds another number of bytes than we think (a PATCH whose answer was lost).
                var outOfStep = e.status().orElse(0) == 416;
                if ((!e.isTransient() && !outOfStep) || ++failures > retries.limit()) {
                    throw e;
                }
                LOG.debug("a chunk did not arrive, asking how much did: {}", e.getMessage());
                retries.pause(action, failures);
                sent = resume(e);
            }
        }
        acknowledged += buffered;
        buffered = 0;
    }

    /** How much of the buffered chunk the registry holds. */
    private int resume(RegistryException failure) throws IOException {
        long received;
        try {
            received = retries.call(action, () -> session.received(action));
        } catch (RegistryException.NotFound | RegistryException.Invalid e) {
            if (acknowledged > 0) {
                throw lost(failure, "it has forgotten the upload");
            }
            // Nothing was acknowledged yet, so a new upload loses nothing.
            reopen();
            return 0;
        }
        // "0-0" also stands for nothing at all: there is no way to write an empty range.
        if (received == 1 && acknowledged == 0) {
            received = 0;
        }
        if (received < acknowledged || received > acknowledged + buffered) {
            throw lost(
                    failure,
                    "it holds %d bytes, %d to %d were expected"
                            .formatted(received, acknowledged, acknowledged + buffered));
        }
        return (int) (received - acknowledged);
    }

    private RegistryException lost(RegistryException failure, String what) {
        return action.brokenOff(
                "the registry failed at byte %d and cannot go on (%s)".formatted(acknowledged, what), failure);
    }

    private void finish(Digest digest) throws IOException {
        var failures = 0;
        while (true) {
            try {
                var body = RequestBody.create(buffer, BYTES, 0, buffered);
                session.commit(action, digest, body);
                return;
            } catch (RegistryException e) {
                // The answer may have been lost after the blob was made.
                var mayBeThere = e.isTransient() || (failures > 0 && e instanceof RegistryException.NotFound);
                if (!mayBeThere || ++failures > retries.limit()) {
                    throw e;
                }
                retries.pause(action, failures);
                if (checker.exists(repository, digest, Scope.push(repository))) {
                    return;
                }
                if (acknowledged == 0) {
                    reopen();
                } else if (session.received(action) != acknowledged) {
                    throw lost(e, "it holds another number of bytes than were sent");
                }
            }
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the upload to " + repository.name() + " is over");
        }
    }
}
