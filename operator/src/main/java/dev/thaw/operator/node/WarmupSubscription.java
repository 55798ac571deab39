package dev.thaw.operator.node;

import dev.thaw.node.v1.Warmups;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** Tells one agent what its node is to hold: the newest only, where it reads slowly, and nothing twice. */
final class WarmupSubscription {
    private final String node;
    private final ServerCallStreamObserver<Warmups> reply;
    private final ReentrantLock lock = new ReentrantLock();
    private @Nullable Warmups wanted;
    private @Nullable Warmups sent;

    WarmupSubscription(String node, ServerCallStreamObserver<Warmups> reply) {
        this.node = node;
        this.reply = reply;
    }

    String node() {
        return node;
    }

    void tell(Warmups warmups) {
        lock.lock();
        try {
            wanted = warmups;
        } finally {
            lock.unlock();
        }
        send();
    }

    /** Sends as much as the connection takes; called again when it takes more. */
    void send() {
        lock.lock();
        try {
            if (wanted != null && !Objects.equals(wanted, sent) && !reply.isCancelled() && reply.isReady()) {
                reply.onNext(wanted);
                sent = wanted;
            }
        } finally {
            lock.unlock();
        }
    }
}
