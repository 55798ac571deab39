package dev.thaw.agent.fetch;

import dev.thaw.agent.AgentException.ReadFailed;
import dev.thaw.agent.cache.CachedBlob;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One blob as one image reads it: a device of which any range can be read, and which fetches what it has not got. */
public final class LazyBlob implements Device {
    private static final Logger LOG = LoggerFactory.getLogger(LazyBlob.class);
    private static final long COMPLAINT_SECONDS = 60;
    private static final Duration PEEK_PATIENCE = Duration.ofMinutes(1);

    private final ChunkFetcher fetcher;
    private final BlobFetch blob;
    private final TrafficCount traffic;
    private final ReadPattern pattern;
    private volatile ReadObserver observer = ReadObserver.NONE;
    private volatile boolean closed;

    LazyBlob(ChunkFetcher fetcher, BlobFetch blob, TrafficCount traffic) {
        this.fetcher = fetcher;
        this.blob = blob;
        this.traffic = traffic;
        pattern = new ReadPattern(fetcher.settings().rangeBytes());
    }

    public String id() {
        return blob.id();
    }

    @Override
    public long sizeBytes() {
        return blob.cached().sizeBytes();
    }

    public int chunkCount() {
        return blob.chunks().count();
    }

    public long cachedBytes() {
        return blob.cached().cachedBytes();
    }

    public long totalBytes() {
        return blob.cached().totalBytes();
    }

    /** The blob on disk, for whoever reads it there. */
    public CachedBlob cached() {
        return blob.cached();
    }

    @Override
    public boolean readCached(long offset, int length, MemorySegment target) throws ReadFailed {
        requireOpen();
        try {
            if (!blob.cached().read(offset, length, target)) {
                return false;
            }
        } catch (IOException e) {
            throw failed(e);
        }
        traffic.touched(length);
        fetcher.metrics().hit();
        int first = firstChunk(offset);
        int last = lastChunk(offset, length);
        observer.read(first, last);
        follow(first, last);
        return true;
    }

    @Override
    public void read(long offset, int length, MemorySegment target) throws ReadFailed, InterruptedException {
        requireOpen();
        long begun = System.nanoTime();
        traffic.touched(length);
        fetcher.demandSeen();
        int first = firstChunk(offset);
        int last = lastChunk(offset, length);
        observer.read(first, last);
        var ahead = pattern.observe(blob.chunks(), first, last);
        var asked = blob.request(
                blob.chunks().firstTogether(first),
                last,
                Math.max(Math.max(blob.chunks().lastTogether(last), ahead.to()), lastNeighbour(first, last)),
                FetchReason.DEMAND,
                traffic);
        try {
            for (int chunk = first; chunk <= last; chunk++) {
                copy(chunk, offset, length, target, asked, begun);
            }
        } catch (ReadFailed e) {
            fetcher.metrics().failed();
            throw e;
        } finally {
            long waited = System.nanoTime() - begun;
            traffic.waited(waited);
            fetcher.metrics().waited(waited);
        }
    }

    /**
     * The last chunk that comes along because a request costs more than its bytes: small files that lie behind each other were
     * installed together, and are often read together.
     */
    private int lastNeighbour(int first, int last) {
        long bytes = 0;
        for (int chunk = first; chunk <= last; chunk++) {
            bytes += storedBytes(chunk);
        }
        int reach = last;
        for (int chunk = last + 1; chunk < chunkCount() && !isCached(chunk); chunk++) {
            bytes += storedBytes(chunk);
            if (bytes > fetcher.settings().neighbourBytes()) {
                break;
            }
            reach = chunk;
        }
        return reach;
    }

    /** Fetches ahead of a reader that found everything on disk so far. */
    private void follow(int first, int last) {
        var ahead = pattern.observe(blob.chunks(), first, last);
        if (!ahead.isEmpty() && !blob.cached().isPresent(ahead.from(), ahead.to())) {
            blob.request(ahead.from(), ahead.to(), ahead.to(), FetchReason.AHEAD, traffic);
        }
    }

    /**
     * Copies what the range wants of one chunk and of the unused space behind it.
     *
     * @param asked what was on its way for this read; it may have landed or failed meanwhile
     */
    private void copy(int chunk, long offset, int length, MemorySegment target, List<Flight> asked, long begun)
            throws ReadFailed, InterruptedException {
        long end = offset + length;
        long from = Math.max(chunk == 0 ? 0 : blob.chunks().offset(chunk), offset);
        long to = Math.min(chunk + 1 < chunkCount() ? blob.chunks().offset(chunk + 1) : sizeBytes(), end);
        if (from >= to) {
            return;
        }
        var part = target.asSlice(from - offset, to - from);
        var flight = asked.stream().filter(one -> one.chunk == chunk).findFirst();
        while (true) {
            try {
                if (blob.cached().read(from, (int) (to - from), part)) {
                    return;
                }
            } catch (IOException e) {
                throw failed(e);
            }
            var landed = await(chunk, flight, begun);
            flight = Optional.empty();
            if (landed != null && landed.content() != null) {
                long start = from - blob.chunks().offset(chunk);
                long available = Math.clamp(landed.content().byteSize() - start, 0, part.byteSize());
                MemorySegment.copy(landed.content(), start, part, 0, available);
                part.asSlice(available).fill((byte) 0);
                return;
            }
        }
    }

    private Flight.@Nullable Landed await(int chunk, Optional<Flight> known, long begun)
            throws ReadFailed, InterruptedException {
        requireOpen();
        var flight = known.isPresent() ? known.get() : blob.flight(chunk);
        if (flight == null) {
            var asked = blob.request(chunk, chunk, chunk, FetchReason.DEMAND, traffic);
            if (asked.isEmpty()) {
                return null;
            }
            flight = asked.getFirst();
        } else {
            flight.promote();
        }
        try {
            return landing(flight, begun);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof ChunkUnavailable unavailable && unavailable.isWorthRetrying()) {
                return null;
            }
            var cause = e.getCause();
            throw failed(cause == null ? e : cause);
        }
    }

    private Flight.Landed landing(Flight flight, long begun)
            throws ReadFailed, InterruptedException, ExecutionException {
        var settings = fetcher.settings();
        while (true) {
            long waited = System.nanoTime() - begun;
            long patience = switch (settings.onFailure()) {
                case BLOCK -> TimeUnit.SECONDS.toNanos(COMPLAINT_SECONDS);
                case ERROR -> settings.readTimeout().toNanos() - waited;
            };
            try {
                return flight.landed.get(Math.max(patience, 0), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                switch (settings.onFailure()) {
                    case BLOCK ->
                        LOG.warn(
                                "a read of chunk {} of blob {} has waited for {} s",
                                flight.chunk,
                                id(),
                                TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - begun));
                    case ERROR ->
                        throw new ReadFailed(
                                "chunk %d of blob %s".formatted(flight.chunk, id()),
                                "did not come within " + settings.readTimeout().toSeconds() + " s",
                                e);
                }
            }
        }
    }

    /** From now on the observer hears of every read, by this image alone. */
    public void observe(ReadObserver newObserver) {
        observer = newObserver;
    }

    /** Bytes of a chunk as it is stored in the registry; 0 for one that the image does not know. */
    public int storedBytes(int chunk) {
        return blob.chunks().length(chunk) == 0 ? 0 : blob.chunks().storedLength(chunk);
    }

    /** Whether a chunk is on disk. */
    public boolean isCached(int chunk) {
        return blob.cached().isPresent(chunk);
    }

    /** What is missing of {@code first … last}, now on its way though nobody waits for it. */
    List<Flight> expect(int first, int last, FetchReason reason) {
        if (closed) {
            return List.of();
        }
        if (reason == FetchReason.BACKGROUND) {
            // All the rest is asked for as well, neighbours in turn.
            return blob.request(first, last, last, reason, traffic);
        }
        return blob.request(
                blob.chunks().firstTogether(first), last, blob.chunks().lastTogether(last), reason, traffic);
    }

    /**
     * Reads for the agent's own purposes: what is missing comes in the expectation of reads, and nothing is counted as one.
     *
     * @return whether the target is filled; false where a chunk cannot be had or kept
     */
    public boolean peek(long offset, int length, MemorySegment target) throws ReadFailed, InterruptedException {
        requireOpen();
        try {
            if (blob.cached().read(offset, length, target)) {
                return true;
            }
            var flights = expect(firstChunk(offset), lastChunk(offset, length), FetchReason.AHEAD);
            return Flight.awaitAll(flights, PEEK_PATIENCE) && blob.cached().read(offset, length, target);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    /** Bytes on disk that a range of chunks would take if all of it were fetched. */
    long missingBytes(int first, int last) {
        long bytes = 0;
        for (int chunk = first; chunk <= last; chunk++) {
            if (!blob.cached().isPresent(chunk)) {
                bytes += blob.chunks().footprint(chunk);
            }
        }
        return bytes;
    }

    /** Ends all reads of this image's way to the blob: they fail from now on. */
    void close() {
        closed = true;
    }

    TrafficCount traffic() {
        return traffic;
    }

    private int firstChunk(long offset) {
        return Math.max(blob.chunks().floor(offset), 0);
    }

    private int lastChunk(long offset, int length) {
        return blob.chunks().floor(offset + length - 1);
    }

    private void requireOpen() throws ReadFailed {
        if (closed) {
            throw new ReadFailed("blob " + id(), "the image was released", null);
        }
    }

    private ReadFailed failed(Throwable cause) {
        return new ReadFailed("blob " + id(), String.valueOf(cause.getMessage()), cause);
    }
}
