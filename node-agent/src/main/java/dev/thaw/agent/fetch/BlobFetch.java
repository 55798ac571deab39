package dev.thaw.agent.fetch;

import dev.thaw.agent.cache.CachedBlob;
import dev.thaw.rafs.CorruptImageException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** One blob and what is on its way of it, for all images that share it. */
final class BlobFetch {
    /** Chunks with so few bytes between them are still fetched by one request. */
    private static final long LARGEST_GAP_BYTES = 64 << 10;
    /** What is larger than this is asked for in parts, side by side. */
    private static final long SMALLEST_PART_BYTES = 1 << 20;

    private static final int MOST_PARTS = 4;

    private final ChunkFetcher fetcher;
    private final CachedBlob cached;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Integer, Flight> flights = new HashMap<>();
    /** The way each image goes; who asks goes its own first. */
    private final Map<TrafficCount, BlobOrigin> origins = new LinkedHashMap<>();

    private volatile StoredChunks chunks;
    private volatile boolean closed;

    BlobFetch(ChunkFetcher fetcher, CachedBlob cached, StoredChunks chunks) {
        this.fetcher = fetcher;
        this.cached = cached;
        this.chunks = chunks;
    }

    String id() {
        return cached.id();
    }

    CachedBlob cached() {
        return cached;
    }

    StoredChunks chunks() {
        return chunks;
    }

    boolean isClosed() {
        return closed;
    }

    @SuppressWarnings("ReferenceEquality") // the one that made this blob joins first
    void join(TrafficCount image, BlobOrigin origin, StoredChunks known) throws CorruptImageException {
        lock.lock();
        try {
            if (known != chunks) {
                chunks = chunks.union(known);
                cached.learn(chunks);
            }
            origins.put(image, origin);
        } finally {
            lock.unlock();
        }
    }

    /** Takes an image away. @return whether no image is left */
    boolean leave(TrafficCount image) {
        lock.lock();
        try {
            origins.remove(image);
            closed = origins.isEmpty();
            return closed;
        } finally {
            lock.unlock();
        }
    }

    /** The image's own origin at the first attempt; after that, in turn, those of the others that have the same blob. */
    BlobOrigin origin(TrafficCount image, int attempt) throws ChunkUnavailable {
        lock.lock();
        try {
            var ways = new ArrayList<BlobOrigin>();
            var own = origins.get(image);
            if (own != null) {
                ways.add(own);
            }
            origins.forEach((other, way) -> {
                if (other != image) {
                    ways.add(way);
                }
            });
            if (ways.isEmpty()) {
                throw new ChunkUnavailable("blob " + id() + " was released");
            }
            return ways.get(attempt % ways.size());
        } finally {
            lock.unlock();
        }
    }

    /** The flight of a chunk that is on its way. */
    @Nullable Flight flight(int chunk) {
        lock.lock();
        try {
            return flights.get(chunk);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Sets out for what is missing of {@code first … last}, in as few requests as may be.
     *
     * @param lastWanted the last chunk that {@code reason} holds for; those behind it are fetched ahead in the same request
     * @return what is now on its way, whoever asked for it
     */
    List<Flight> request(int first, int lastWanted, int last, FetchReason reason, TrafficCount traffic) {
        var asked = new ArrayList<Flight>();
        var runs = new ArrayList<Run>();
        lock.lock();
        try {
            long limit = reason == FetchReason.BACKGROUND ? fetcher.settings().rangeBytes() : partBytes(first, last);
            Run run = null;
            for (int chunk = first; chunk <= last; chunk++) {
                if (chunks.length(chunk) == 0) {
                    continue;
                }
                var flight = flights.get(chunk);
                if (flight != null || cached.isPresent(chunk)) {
                    if (flight != null && chunk <= lastWanted) {
                        asked.add(flight);
                    }
                    run = null;
                    continue;
                }
                var why = chunk <= lastWanted ? reason : FetchReason.AHEAD;
                if (run == null || !canTake(run, chunk, why, limit)) {
                    run = new Run(this, fetcher, why, traffic);
                    runs.add(run);
                }
                var added = run.add(chunk, why);
                flights.put(chunk, added);
                if (chunk <= lastWanted) {
                    asked.add(added);
                }
            }
        } finally {
            lock.unlock();
        }
        if (reason == FetchReason.DEMAND) {
            asked.forEach(Flight::promote);
        }
        for (var run : runs) {
            fetcher.start(run);
        }
        return asked;
    }

    /**
     * How much one request asks for when so much is wanted at once: one connection is often slower than the link. Places
     * that are taken cannot help.
     */
    private long partBytes(int first, int last) {
        int from = first;
        int to = last;
        while (from < to && chunks.length(from) == 0) {
            from++;
        }
        while (from < to && chunks.length(to) == 0) {
            to--;
        }
        long bytes = Math.max(1, chunks.storedOffset(to) + chunks.storedLength(to) - chunks.storedOffset(from));
        int parts = (int) Math.clamp(
                bytes / SMALLEST_PART_BYTES, 1, Math.clamp(fetcher.gate().free(), 1, MOST_PARTS));
        return Math.ceilDiv(bytes, parts);
    }

    private boolean canTake(Run run, int chunk, FetchReason why, long limit) {
        long end = chunks.storedOffset(run.lastChunk()) + chunks.storedLength(run.lastChunk());
        long gap = chunks.storedOffset(chunk) - end;
        long length = chunks.storedOffset(chunk) + chunks.storedLength(chunk) - run.storedStart();
        return gap >= 0
                && gap <= LARGEST_GAP_BYTES
                && length <= fetcher.settings().rangeBytes()
                // What is decoded together is not decoded twice.
                && (chunks.storedOffset(chunk) - run.storedStart() < limit
                        || chunks.firstTogether(chunk) <= run.lastChunk())
                // What is wanted never hangs behind what is not; the reverse costs the reader nothing.
                && why.compareTo(run.reason()) >= 0;
    }

    void landed(Flight flight, Flight.Landed landed) {
        remove(flight);
        flight.landed.complete(landed);
    }

    void failed(Flight flight, ChunkUnavailable why) {
        remove(flight);
        flight.landed.completeExceptionally(why);
    }

    private void remove(Flight flight) {
        lock.lock();
        try {
            flights.remove(flight.chunk, flight);
        } finally {
            lock.unlock();
        }
    }

    /** Ends all waiting: the blob is not served any more. */
    void abandon() {
        List<Flight> left;
        lock.lock();
        try {
            closed = true;
            left = List.copyOf(flights.values());
            flights.clear();
        } finally {
            lock.unlock();
        }
        var why = new ChunkUnavailable("blob " + id() + " was released");
        left.forEach(flight -> flight.landed.completeExceptionally(why));
    }
}
