package dev.thaw.agent.node;

import io.grpc.StatusException;
import java.io.IOException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Calls again whenever a call ends, after a pause that grows while calls come to nothing. */
final class Redial implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Redial.class);
    private static final Duration[] BACK_OFF = {
        Duration.ofMillis(200),
        Duration.ofMillis(500),
        Duration.ofSeconds(1),
        Duration.ofSeconds(3),
        Duration.ofSeconds(10)
    };

    private final String complaint;
    private final Call call;
    private final Thread caller;
    private volatile boolean closed;

    /** One call. */
    @FunctionalInterface
    interface Call {
        /** Returns when the call has ended. @return whether anything has come of it */
        boolean follow() throws StatusException, IOException, InterruptedException;
    }

    private Redial(String name, String complaint, Call call) {
        this.complaint = complaint;
        this.call = call;
        caller = Thread.ofVirtual().name(name).unstarted(this::run);
    }

    /** @param complaint what it means that a call fails */
    static Redial start(String name, String complaint, Call call) {
        var redial = new Redial(name, complaint, call);
        redial.caller.start();
        return redial;
    }

    private void run() {
        int failures = 0;
        while (!closed) {
            try {
                if (call.follow()) {
                    failures = 0;
                }
            } catch (StatusException | IOException e) {
                log.warn("{}: {}", complaint, e.getMessage());
            } catch (InterruptedException e) {
                return;
            }
            try {
                Thread.sleep(BACK_OFF[Math.min(failures, BACK_OFF.length - 1)]);
            } catch (InterruptedException e) {
                return;
            }
            failures++;
        }
    }

    @Override
    public void close() {
        closed = true;
        caller.interrupt();
    }
}
