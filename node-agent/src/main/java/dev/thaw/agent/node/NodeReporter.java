package dev.thaw.agent.node;

import dev.thaw.node.v1.ReportNodeRequest;
import io.grpc.StatusException;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells the operator the state of the node: at start, each 30 seconds, and soon after {@link #changed}. */
public final class NodeReporter implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(NodeReporter.class);
    private static final Duration PERIOD = Duration.ofSeconds(30);
    private static final Duration SETTLE = Duration.ofSeconds(1);
    private static final Duration DEADLINE = Duration.ofSeconds(10);

    private final NodeServiceConnection connection;
    private final Supplier<ReportNodeRequest> state;
    private final Semaphore changes = new Semaphore(0);
    private final Thread reporter;

    public NodeReporter(NodeServiceConnection connection, Supplier<ReportNodeRequest> state) {
        this.connection = connection;
        this.state = state;
        reporter = Thread.ofVirtual().name("report-node").start(this::run);
    }

    /** Something that the operator should hear of before the next regular report. */
    public void changed() {
        changes.release();
    }

    private void run() {
        var wait = PERIOD;
        while (true) {
            try {
                try {
                    connection
                            .service()
                            .withDeadlineAfter(DEADLINE.toMillis(), TimeUnit.MILLISECONDS)
                            .reportNode(state.get());
                    wait = PERIOD;
                } catch (StatusException | IOException e) {
                    log.warn("the operator does not hear of this node: {}", e.getMessage());
                    wait = Duration.ofSeconds(3);
                }
                if (changes.tryAcquire(wait.toMillis(), TimeUnit.MILLISECONDS)) {
                    Thread.sleep(SETTLE);
                    changes.drainPermits();
                }
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    @Override
    public void close() {
        reporter.interrupt();
    }
}
