package dev.thaw.agent.image;

import dev.thaw.agent.cache.ChunkSet;
import dev.thaw.agent.fetch.LazyBlob;
import dev.thaw.agent.fetch.ReadObserver;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What the first start of an image reads: each chunk at its first read, whether it was cached or not. Beside it, which
 * chunks were prefetched for that start.
 */
public final class Recording {
    /** What is read first counts; the rest is dropped. */
    public static final int MOST_CHUNKS = 32_768;

    private final List<LazyBlob> blobs;
    private final Instant begun;
    private final long begunNanos = System.nanoTime();
    private final List<ChunkSet> read = new ArrayList<>();
    private final List<ChunkSet> prefetched = new ArrayList<>();
    private final ReentrantLock lock = new ReentrantLock();
    private long[] places = new long[256];
    private int[] millis = new int[256];
    private int count;
    private final AtomicBoolean started = new AtomicBoolean();
    private volatile boolean wanted;
    private volatile boolean ended;

    private Recording(List<LazyBlob> blobs, Instant begun) {
        this.blobs = List.copyOf(blobs);
        this.begun = begun;
        for (var blob : blobs) {
            read.add(new ChunkSet(blob.chunkCount()));
            prefetched.add(new ChunkSet(blob.chunkCount()));
        }
    }

    /** Begins to record the reads of these blobs, in the order of the bootstrap's device table. */
    static Recording begin(List<LazyBlob> blobs, Instant now) {
        var recording = new Recording(blobs, now);
        for (int index = 0; index < blobs.size(); index++) {
            int blob = index;
            blobs.get(index).observe((first, last) -> recording.read(blob, first, last));
        }
        return recording;
    }

    private void read(int blob, int first, int last) {
        var known = read.get(blob);
        for (int chunk = first; chunk <= last; chunk++) {
            if (!known.contains(chunk) && known.add(chunk) && blobs.get(blob).storedBytes(chunk) > 0) {
                append(blob, chunk);
            }
        }
    }

    private void append(int blob, int chunk) {
        lock.lock();
        try {
            if (count == MOST_CHUNKS) {
                return;
            }
            if (count == places.length) {
                places = Arrays.copyOf(places, 2 * count);
                millis = Arrays.copyOf(millis, 2 * count);
            }
            places[count] = (long) blob << 32 | chunk;
            millis[count] = (int) ((System.nanoTime() - begunNanos) / 1_000_000);
            count++;
        } finally {
            lock.unlock();
        }
    }

    void prefetched(int blob, int chunk) {
        prefetched.get(blob).add(chunk);
    }

    /** Others may learn from it. */
    void want() {
        wanted = true;
    }

    /** Whether others want to learn from it. */
    public boolean isWanted() {
        return wanted;
    }

    /** Gives it, as long as it goes on, to the container that started first: true once and never again. */
    public boolean claim() {
        return !ended && !started.getAndSet(true);
    }

    /** Ends it; what was recorded stays. */
    void end() {
        ended = true;
        blobs.forEach(blob -> blob.observe(ReadObserver.NONE));
    }

    public boolean hasEnded() {
        return ended;
    }

    public Instant begun() {
        return begun;
    }

    /**
     * The first read of a chunk.
     *
     * @param afterMillis since the recording's begin
     * @param storedBytes of the chunk
     */
    public record FirstRead(LearnedTraces.Place place, int afterMillis, int storedBytes) {}

    /** All first reads so far, in their order. */
    public List<FirstRead> reads() {
        lock.lock();
        try {
            var reads = new ArrayList<FirstRead>(count);
            for (int i = 0; i < count; i++) {
                var place = new LearnedTraces.Place((int) (places[i] >>> 32), (int) places[i]);
                reads.add(
                        new FirstRead(place, millis[i], blobs.get(place.blob()).storedBytes(place.chunk())));
            }
            return reads;
        } finally {
            lock.unlock();
        }
    }

    /**
     * What prefetching brought, in bytes as they are stored.
     *
     * @param used those of chunks that were read
     */
    public record Prefetched(long bytes, long used) {}

    public Prefetched prefetched() {
        long bytes = 0;
        long used = 0;
        for (int blob = 0; blob < blobs.size(); blob++) {
            for (int chunk = 0; chunk < blobs.get(blob).chunkCount(); chunk++) {
                if (prefetched.get(blob).contains(chunk)) {
                    int stored = blobs.get(blob).storedBytes(chunk);
                    bytes += stored;
                    used += read.get(blob).contains(chunk) ? stored : 0;
                }
            }
        }
        return new Prefetched(bytes, used);
    }
}
