package dev.thaw.agent.fetch;

import java.time.Duration;
import java.util.OptionalLong;
import java.util.concurrent.locks.ReentrantLock;

/** Slows down what nobody waits for. Bytes are paid after they came; who finds a debt waits until it is paid off. */
final class Bandwidth {
    private static final long NANOS = 1_000_000_000L;

    private final ReentrantLock lock = new ReentrantLock();
    private final OptionalLong bytesPerSecond;
    private final FetchTime time;
    private long paidUntilNanos;

    Bandwidth(OptionalLong bytesPerSecond, FetchTime time) {
        this.bytesPerSecond = bytesPerSecond;
        this.time = time;
        paidUntilNanos = time.nanos();
    }

    void spend(long bytes, FetchReason reason) throws InterruptedException {
        if (bytesPerSecond.isEmpty()) {
            return;
        }
        long wait;
        lock.lock();
        try {
            long now = time.nanos();
            if (paidUntilNanos - now < 0) {
                paidUntilNanos = now;
            }
            paidUntilNanos += Math.multiplyExact(bytes, NANOS) / bytesPerSecond.getAsLong();
            wait = paidUntilNanos - now;
        } finally {
            lock.unlock();
        }
        if (reason != FetchReason.DEMAND && wait > 0) {
            time.sleep(Duration.ofNanos(wait));
        }
    }
}
