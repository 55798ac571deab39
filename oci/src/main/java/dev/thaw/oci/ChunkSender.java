package dev.thaw.oci;

import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Consumer;
import okhttp3.MediaType;
import okhttp3.RequestBody;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends the chunks of one upload in their order. After a failure the registry is asked how much it holds and gets the rest. Not
 * for use by several threads at once.
 */
final class ChunkSender {
    private static final Logger LOG = LoggerFactory.getLogger(ChunkSender.class);
    private static final MediaType BYTES = MediaType.get(MediaTypes.OCTET_STREAM);

    private final Action action;
    private final Exchange exchange;
    private final Endpoint endpoint;
    private final Reference repository;
    private final BlobChecker checker;
    private final Retries retries;
    private long acknowledged;
    private UploadSession session;

    /** Opens the upload. */
    ChunkSender(
            Action action,
            Exchange exchange,
            Endpoint endpoint,
            Reference repository,
            BlobChecker checker,
            Retries retries)
            throws IOException {
        this.action = action;
        this.exchange = exchange;
        this.endpoint = endpoint;
        this.repository = repository;
        this.checker = checker;
        this.retries = retries;
        this.session = open();
    }

    /** The least that a chunk other than the last must hold; 0 if all are welcome. */
    int smallestChunk() {
        return session.smallestChunk();
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

    private void append(byte[] chunk, int from, int length) throws IOException {
        toItsEnd(
                () -> {
                    session.append(action, acknowledged + from, chunk, from, length - from);
                    return session;
                },
                appended -> {});
    }

    private void reopen() throws IOException {
        session.cancel(action);
        session = open();
    }

    /** Sends the next chunk; the registry has it when this returns. */
    void send(byte[] chunk, int length) throws IOException {
        var sent = 0;
        var failures = 0;
        while (sent < length) {
            try {
                append(chunk, sent, length);
                sent = length;
            } catch (RegistryException e) {
                // 416: the registry holds another number of bytes than we think (a PATCH whose answer was lost).
                var outOfStep = e.status().orElse(0) == 416;
                if ((!e.isTransient() && !outOfStep) || ++failures > retries.limit()) {
                    throw e;
                }
                LOG.debug("a chunk did not arrive, asking how much did: {}", e.getMessage());
                retries.pause(action, failures);
                sent = resume(length, e);
            }
        }
        acknowledged += length;
    }

    /** How much of the chunk the registry holds. */
    private int resume(int length, RegistryException failure) throws IOException {
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
        if (received < acknowledged || received > acknowledged + length) {
            throw lost(
                    failure,
                    "it holds %d bytes, %d to %d were expected"
                            .formatted(received, acknowledged, acknowledged + length));
        }
        return (int) (received - acknowledged);
    }

    private RegistryException lost(RegistryException failure, String what) {
        return action.brokenOff(
                "the registry failed at byte %d and cannot go on (%s)".formatted(acknowledged, what), failure);
    }

    /** Makes what was sent, and these bytes, the blob of this digest. */
    void finish(Digest digest, byte[] last, int length) throws IOException {
        var failures = 0;
        while (true) {
            try {
                session.commit(action, digest, RequestBody.create(last, BYTES, 0, length));
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

    /** Tells the registry that nothing more will come. */
    void cancel() {
        session.cancel(action);
    }
}
