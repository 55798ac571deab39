package dev.thaw.agent.fetch;

import dev.thaw.agent.cache.CachedBlob;
import dev.thaw.rafs.CorruptImageException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Neighbouring chunks of one blob, fetched by one request. Chunks land one by one as the response streams in. When the
 * response breaks off, the rest is asked for again, after a pause that grows.
 */
final class Run implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(Run.class);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);
    private static final Duration COMPLAINT_INTERVAL = Duration.ofMinutes(1);
    private static final int TRANSFER_BYTES = 64 << 10;

    private final BlobFetch blob;
    private final ChunkFetcher fetcher;
    private final TrafficCount traffic;
    private final PriorityGate.Ticket ticket;
    private final List<Flight> flights = new ArrayList<>();
    private int next;

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
        while (next < flights.size()) {
            int before = next;
            try {
                attempt(attempt);
                continue;
            } catch (IOException e) {
                attempt = next > before ? 1 : attempt + 1;
                if (blob.isClosed()) {
                    failRest(new ChunkUnavailable(this + ": the image was released"));
                    return;
                }
                long now = fetcher.time().nanos();
                if (mustGiveUp(attempt, now - begun)) {
                    boolean unhurried = reason() != FetchReason.DEMAND;
                    failRest(new ChunkUnavailable(this + " could not be fetched: " + e.getMessage(), e, unhurried));
                    return;
                }
                if (now - complained >= COMPLAINT_INTERVAL.toNanos()) {
                    complained = now;
                    LOG.warn(
                            "{} has been waited for since {} s: {}",
                            this,
                            (now - begun) / 1_000_000_000L,
                            e.getMessage());
                }
            }
            fetcher.time().sleep(pause(attempt));
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

    private static Duration pause(int attempt) {
        var pause = FIRST_PAUSE.multipliedBy(1L << Math.min(attempt - 1, 10));
        return pause.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : pause;
    }

    /** One request for all that is still missing. */
    private void attempt(int attempt) throws IOException, InterruptedException {
        ticket.enter();
        var reason = reason();
        long begun = System.nanoTime();
        boolean succeeded = false;
        try {
            stream(blob.origin(traffic, attempt), reason);
            succeeded = true;
        } finally {
            ticket.leave();
            fetcher.metrics().request(reason, succeeded, System.nanoTime() - begun);
        }
    }

    private void stream(BlobOrigin origin, FetchReason reason) throws IOException, InterruptedException {
        var chunks = blob.chunks();
        long position = chunks.storedOffset(flights.get(next).chunk);
        long end = chunks.storedOffset(lastChunk()) + chunks.storedLength(lastChunk());
        traffic.requested(reason);
        try (var arena = Arena.ofConfined();
                var response = origin.range(position, end - position)) {
            var buffers = buffers(arena);
            while (next < flights.size()) {
                var flight = flights.get(next);
                response.skipNBytes(chunks.storedOffset(flight.chunk) - position);
                receive(response, buffers, flight);
                position = chunks.storedOffset(flight.chunk) + chunks.storedLength(flight.chunk);
                land(flight, buffers, reason, () -> origin.distrust(response));
            }
        }
    }

    /** Memory for one chunk at a time, as it is stored and as it is decoded. */
    private record Buffers(MemorySegment stored, MemorySegment content) {}

    private Buffers buffers(Arena arena) {
        int stored = 0;
        int content = 0;
        for (var flight : flights.subList(next, flights.size())) {
            stored = Math.max(stored, blob.chunks().storedLength(flight.chunk));
            content = Math.max(content, blob.chunks().length(flight.chunk));
        }
        return new Buffers(arena.allocate(stored, 8), arena.allocate(content, 8));
    }

    private void receive(InputStream response, Buffers buffers, Flight flight)
            throws IOException, InterruptedException {
        int length = blob.chunks().storedLength(flight.chunk);
        var transfer = new byte[Math.min(length, TRANSFER_BYTES)];
        int received = 0;
        while (received < length) {
            int n = response.read(transfer, 0, Math.min(transfer.length, length - received));
            if (n < 0) {
                throw new EOFException("the response ended in chunk %d of blob %s, %d bytes early"
                        .formatted(flight.chunk, blob.id(), length - received));
            }
            MemorySegment.copy(transfer, 0, buffers.stored, ValueLayout.JAVA_BYTE, received, n);
            received += n;
            traffic.fetched(flight.reason, n);
            fetcher.metrics().bytes(flight.reason, n);
            fetcher.bandwidth().spend(n, reason());
        }
    }

    /** Hands over a chunk whose stored bytes are complete; where they are wrong, asks for them once more. */
    private void land(Flight flight, Buffers buffers, FetchReason reason, Runnable distrust)
            throws IOException, InterruptedException {
        var landed = accept(flight.chunk, buffers);
        if (landed == null) {
            distrust.run();
            fetcher.metrics().corrupt();
            LOG.error(
                    "chunk {} of blob {} came with a wrong digest; it is not served, and asked for once more",
                    flight.chunk,
                    blob.id());
            landed = again(flight, buffers, reason);
        }
        next++;
        if (landed == null) {
            fetcher.metrics().corrupt();
            LOG.error(
                    "chunk {} of blob {} came with a wrong digest twice; reads of it fail. Is the blob damaged in its"
                            + " registry, or a mirror before it?",
                    flight.chunk,
                    blob.id());
            blob.failed(
                    flight,
                    new ChunkUnavailable(
                            "chunk %d of blob %s is corrupt at its source".formatted(flight.chunk, blob.id())));
        } else {
            blob.landed(flight, landed);
        }
    }

    private Flight.@org.jspecify.annotations.Nullable Landed again(Flight flight, Buffers buffers, FetchReason reason)
            throws IOException, InterruptedException {
        var chunks = blob.chunks();
        int length = chunks.storedLength(flight.chunk);
        traffic.requested(reason);
        try (var response = blob.origin(traffic, 1).range(chunks.storedOffset(flight.chunk), length)) {
            receive(response, buffers, flight);
            return accept(flight.chunk, buffers);
        }
    }

    /** Decodes, checks and keeps a chunk. Null when it is not what its digest says. */
    private Flight.@org.jspecify.annotations.Nullable Landed accept(int chunk, Buffers buffers) throws IOException {
        var chunks = blob.chunks();
        var content = buffers.content.asSlice(0, chunks.length(chunk));
        try {
            chunks.decode(chunk, buffers.stored.asSlice(0, chunks.storedLength(chunk)), content);
            return switch (blob.cached().put(chunk, content)) {
                case CachedBlob.Kept.ON_DISK -> Flight.Landed.ON_DISK;
                case CachedBlob.Kept.UNCACHED ->
                    new Flight.Landed(MemorySegment.ofArray(content.toArray(ValueLayout.JAVA_BYTE)));
                case CachedBlob.Kept.CORRUPT -> null;
            };
        } catch (CorruptImageException e) {
            LOG.error("chunk {} of blob {} cannot be decoded: {}", chunk, blob.id(), e.getMessage());
            return null;
        }
    }

    /** Nothing is fetched any more. */
    void refuse() {
        failRest(new ChunkUnavailable("the agent stops"));
    }

    private void failRest(ChunkUnavailable why) {
        for (; next < flights.size(); next++) {
            blob.failed(flights.get(next), why);
        }
    }

    @Override
    public String toString() {
        return firstChunk() == lastChunk()
                ? "chunk %d of blob %s".formatted(firstChunk(), blob.id())
                : "chunks %d to %d of blob %s".formatted(firstChunk(), lastChunk(), blob.id());
    }
}
