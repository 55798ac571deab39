package dev.thaw.agent;

import dev.thaw.agent.rehearsal.FetchRehearsal;
import dev.thaw.agent.rehearsal.Stage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What an agent rehearses once it serves, aside and on one thread, so that the first pull is no slower than the next. */
final class WarmUp implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(WarmUp.class);
    /** Readers that have waited for this agent come first. */
    private static final Duration AFTER_TAKEOVER = Duration.ofSeconds(10);

    private static final Duration LONGEST_END = Duration.ofSeconds(2);

    private final Thread thread;

    private WarmUp(Thread thread) {
        this.thread = thread;
    }

    /** @param tookOver whether the agent goes on with mounts of one before it */
    static WarmUp start(Path folder, boolean tookOver) {
        return new WarmUp(Thread.ofPlatform()
                .daemon()
                .name("warm-up")
                .start(() -> run(folder, tookOver ? AFTER_TAKEOVER : Duration.ZERO)));
    }

    private static void run(Path folder, Duration pause) {
        try {
            Thread.sleep(pause);
            long begun = System.nanoTime();
            try (var stage = Stage.at(folder)) {
                FetchRehearsal.run(stage.folder());
            }
            log.info("has warmed up within {} ms", TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begun));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (Exception e) {
            log.info("has not warmed up, so that the first pull takes longer: {}", e.getMessage());
        }
    }

    @Override
    public void close() throws InterruptedException {
        thread.interrupt();
        thread.join(LONGEST_END);
    }
}
