package dev.thaw.operator.node;

import dev.thaw.node.v1.ImageEvent;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.LinkedHashMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Sends one agent what it has not been told yet. An agent that reads slowly is sent only the last of several changes to an
 * image, so that what waits for it is never more than the table.
 */
final class Subscription implements ImageTable.Listener {
    private final ServerCallStreamObserver<ImageEvent> reply;
    private final ReentrantLock lock = new ReentrantLock();
    private final LinkedHashMap<String, ImageEvent> unsent = new LinkedHashMap<>();

    Subscription(ServerCallStreamObserver<ImageEvent> reply) {
        this.reply = reply;
    }

    @Override
    public void changed(ImageEvent event) {
        lock.lock();
        try {
            unsent.put(
                    subject(event), event); // keeps the place of an unsent one, so what came before `synced` stays so
        } finally {
            lock.unlock();
        }
        send();
    }

    /** Sends as much as the connection takes; called again when it takes more. */
    void send() {
        lock.lock();
        try {
            while (!unsent.isEmpty() && !reply.isCancelled() && reply.isReady()) {
                reply.onNext(unsent.pollFirstEntry().getValue());
            }
        } finally {
            lock.unlock();
        }
    }

    private static String subject(ImageEvent event) {
        return switch (event.getEventCase()) {
            case UPSERT -> event.getUpsert().getArtifactDigest();
            case REMOVED -> event.getRemoved();
            case SYNCED, EVENT_NOT_SET -> "";
        };
    }
}
