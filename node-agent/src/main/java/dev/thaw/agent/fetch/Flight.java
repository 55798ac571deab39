package dev.thaw.agent.fetch;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/** One chunk on its way, and everybody who waits for it. */
final class Flight {
    /**
     * A chunk that has come.
     *
     * @param content the chunk where it could not be kept on disk; null where it was
     */
    record Landed(@Nullable MemorySegment content) {
        static final Landed ON_DISK = new Landed(null);
    }

    final int chunk;
    final FetchReason reason;
    final CompletableFuture<Landed> landed = new CompletableFuture<>();
    private final Run run;

    Flight(int chunk, FetchReason reason, Run run) {
        this.chunk = chunk;
        this.reason = reason;
        this.run = run;
    }

    /** Whether what fetches it gives up after a few attempts, since nobody waited when it began. */
    boolean isUnhurried() {
        return run.reason() != FetchReason.DEMAND;
    }

    void promote() {
        run.promote();
    }

    /** Waits until all have landed. @return whether they did, and in time */
    static boolean awaitAll(List<Flight> flights, Duration patience) throws InterruptedException {
        var all = CompletableFuture.allOf(
                flights.stream().map(flight -> flight.landed).toArray(CompletableFuture<?>[]::new));
        try {
            all.get(patience.toMillis(), TimeUnit.MILLISECONDS);
            return true;
        } catch (ExecutionException | TimeoutException e) {
            return false;
        }
    }
}
