package dev.thaw.agent.fetch;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Neighbouring chunks of one blob, fetched by one request. Chunks land one by one as the response streams in. When the
 * response breaks off, the rest is asked for again, after a pause that grows, or that the registry has asked for. When a
 * response that a read waits for falls silent, a second one for the rest is begun on another way; who delivers first wins.
 */
final class Run implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(Run.class);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);
    private static final Duration LONGEST_HOLD = Duration.ofSeconds(30);
    private static final Duration COMPLAINT_INTERVAL = Duration.ofMinutes(1);

    private final BlobFetch blob;
    private final ChunkFetcher fetcher;
    private final TrafficCount traffic;
    private final PriorityGate.Ticket ticket;
    private final List<Flight> flights = new ArrayList<>();

    Run(BlobFetch blob, ChunkFetcher fetcher, FetchReason reason, TrafficCount traffic) {
        this.blob = blob;
        this.fetcher = fetcher;
        this.traffic = traffic;
        ticket = fetcher.gate().ticket(reason);
    }

    /** Adds the next chunk; only before the run is started. */
    Flight add(int chunk, FetchReason reason) {
        var flight = new Flight(chunk, reason, this);
        flights.add(flight);
        return flight;
    }

    FetchReason reason() {
        return ticket.reason();
    }

    void promote() {
        ticket.promote();
    }

    private int firstChunk() {
        return flights.getFirst().chunk;
    }

    int lastChunk() {
        return flights.getLast().chunk;
    }

    long storedStart() {
        return blob.chunks().storedOffset(firstChunk());
    }

    /** What has neither come nor failed. */
    private List<Flight> missing() {
        return flights.stream().filter(flight -> !flight.landed.isDone()).toList();
    }

    @Override
    public void run() {
        try {
            fetchAll();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            failRest(new ChunkUnavailable("fetching was stopped"));
        } catch (RuntimeException | Error e) {
            LOG.error("fetching {} failed", this, e);
            failRest(new ChunkUnavailable(this + " could not be fetched", e, false));
        }
    }

    private void fetchAll() throws InterruptedException {
        long begun = fetcher.time().nanos();
        long complained = begun;
        int attempt = 0;
        for (var missing = missing(); !missing.isEmpty(); ) {
            var failure = attempt(attempt, missing);
            var left = missing();
            if (failure == null || left.isEmpty()) {
                missing = left;
                continue;
            }
            attempt = left.size() < missing.size() ? 1 : attempt + 1;
            missing = left;
            if (blob.isClosed()) {
                failRest(new ChunkUnavailable(this + ": the image was released"));
                return;
            }
            long now = fetcher.time().nanos();
            if (mustGiveUp(attempt, now - begun)) {
                boolean unhurried = reason() != FetchReason.DEMAND;
                failRest(new ChunkUnavailable(
                        this + " could not be fetched: " + failure.getMessage(), failure, unhurried));
                return;
            }
            if (now - complained >= COMPLAINT_INTERVAL.toNanos()) {
                complained = now;
                LOG.warn(
                        "{} has been waited for since {} s: {}",
                        this,
                        (now - begun) / 1_000_000_000L,
                        failure.getMessage());
            }
            fetcher.time().sleep(pause(attempt, failure));
        }
    }

    private boolean mustGiveUp(int attempt, long elapsedNanos) {
        var settings = fetcher.settings();
        if (reason() != FetchReason.DEMAND) {
            return attempt > settings.retries();
        }
        return switch (settings.onFailure()) {
            case BLOCK -> false;
            case ERROR -> elapsedNanos >= settings.readTimeout().toNanos();
        };
    }

    /**
     * Grows with each failure. A registry that wants to be left alone is left alone by whoever asks it; here it only keeps
     * what nobody waits for from giving up meanwhile.
     */
    private Duration pause(int attempt, IOException failure) {
        var pause = shorter(FIRST_PAUSE.multipliedBy(1L << Math.min(attempt - 1, 10)), LONGEST_PAUSE);
        return failure instanceof HeldBack held
                        && reason() != FetchReason.DEMAND
                        && held.pause().compareTo(pause) > 0
                ? shorter(held.pause(), LONGEST_HOLD)
                : pause;
    }

    private static Duration shorter(Duration one, Duration other) {
        return one.compareTo(other) < 0 ? one : other;
    }

    /** One request for what is still missing, and a second one if it falls silent. @return why it failed, if it did */
    private @Nullable IOException attempt(int attempt, List<Flight> missing) throws InterruptedException {
        ticket.enter(attempt > 0);
        try {
            return race(attempt, missing);
        } finally {
            ticket.leave();
        }
    }

    private @Nullable IOException race(int attempt, List<Flight> missing) throws InterruptedException {
        var ended = new ArrayBlockingQueue<Response>(2);
        var first = start(attempt, missing, ended);
        Response second = null;
        try {
            while (true) {
                var end = await(first, second == null, ended);
                if (end == null) {
                    second = startSecond(attempt + 1, ended);
                } else if (end.failure() == null) {
                    if (second != null) {
                        fetcher.metrics().doubled(end == second);
                    }
                    return null;
                } else if (second == null || first.isEnded() && second.isEnded()) {
                    return first.failure() == null ? end.failure() : first.failure();
                }
            }
        } finally {
            first.abandon();
            if (second != null) {
                second.abandon();
            }
        }
    }

    /** The next response that ends; null when the first is a straggler that may be doubled. */
    private @Nullable Response await(Response first, boolean mayDouble, BlockingQueue<Response> ended)
            throws InterruptedException {
        while (true) {
            if (!mayDouble) {
                return ended.take();
            }
            long patience = fetcher.stragglers().patienceNanos();
            long silent = first.silentNanos();
            var end = ended.poll(Math.max(1, patience - silent), TimeUnit.NANOSECONDS);
            if (end != null) {
                return end;
            }
            if (first.silentNanos() >= patience) {
                if (reason() == FetchReason.DEMAND
                        && fetcher.stragglers().mayDouble()
                        && fetcher.gate().tryEnter()) {
                    return null;
                }
                // Not now: looks again once as much time has passed.
                end = ended.poll(patience, TimeUnit.NANOSECONDS);
                if (end != null) {
                    return end;
                }
            }
        }
    }

    private Response startSecond(int way, BlockingQueue<Response> ended) throws InterruptedException {
        LOG.debug("{} is late and is asked for on another way too", this);
        var response = new Response(fetcher, blob, traffic, missing(), way, this::reason, end -> {
            fetcher.gate().leave();
            ended.add(end);
        });
        response.start();
        return response;
    }

    private Response start(int way, List<Flight> missing, BlockingQueue<Response> ended) {
        var response = new Response(fetcher, blob, traffic, missing, way, this::reason, ended::add);
        response.start();
        return response;
    }

    /** Nothing is fetched any more. */
    void refuse() {
        failRest(new ChunkUnavailable("the agent stops"));
    }

    private void failRest(ChunkUnavailable why) {
        for (var flight : missing()) {
            blob.failed(flight, why);
        }
    }

    @Override
    public String toString() {
        return firstChunk() == lastChunk()
                ? "chunk %d of blob %s".formatted(firstChunk(), blob.id())
                : "chunks %d to %d of blob %s".formatted(firstChunk(), lastChunk(), blob.id());
    }
}
