package dev.thaw.agent.fetch;

import dev.thaw.agent.cache.DiskChunkStore;
import dev.thaw.rafs.CorruptImageException;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.locks.ReentrantLock;

/** Fetches chunks for all images of the node: each chunk once at a time, the most urgent first, never more than allowed. */
public final class ChunkFetcher implements AutoCloseable {
    private final FetchSettings settings;
    private final DiskChunkStore store;
    private final FetchTime time;
    private final PriorityGate gate;
    private final FetchMetrics metrics;
    private final Bandwidth bandwidth;
    private final Stragglers stragglers;
    private final ExecutorService runs = Executors.newVirtualThreadPerTaskExecutor();
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<String, BlobFetch> blobs = new HashMap<>();
    private volatile long lastDemandNanos;

    public ChunkFetcher(FetchSettings settings, DiskChunkStore store, MeterRegistry registry) {
        this(settings, store, registry, FetchTime.SYSTEM);
    }

    ChunkFetcher(FetchSettings settings, DiskChunkStore store, MeterRegistry registry, FetchTime time) {
        this.settings = settings;
        this.store = store;
        this.time = time;
        gate = new PriorityGate(settings.parallelism());
        metrics = new FetchMetrics(registry, gate);
        bandwidth = new Bandwidth(settings.bandwidthBytesPerSecond(), time);
        stragglers = new Stragglers(settings.leastPatience(), settings.mostPatience());
        lastDemandNanos = time.nanos();
    }

    /**
     * Opens a blob for one image. Each open wants its {@link #release}.
     *
     * @param id sha256 of the blob, 64 hex digits
     * @param sizeBytes of its uncompressed address space
     * @param traffic of the image; it also stands for the image
     * @throws CorruptImageException when another image says something else of the same blob
     */
    public LazyBlob open(String id, long sizeBytes, StoredChunks chunks, BlobOrigin origin, TrafficCount traffic)
            throws IOException, CorruptImageException {
        lock.lock();
        try {
            var cached = store.acquire(id, sizeBytes, chunks);
            var blob = blobs.get(id);
            if (blob == null) {
                blob = new BlobFetch(this, cached, chunks);
            }
            try {
                blob.join(traffic, origin, chunks);
            } catch (CorruptImageException e) {
                store.release(id, false);
                throw e;
            }
            blobs.put(id, blob);
            return new LazyBlob(this, blob, traffic);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Closes a blob for one image; its reads fail from now on.
     *
     * @param discard whether the blob leaves the disk, unless another image has it open
     */
    public void release(LazyBlob lazy, boolean discard) throws IOException {
        lazy.close();
        lock.lock();
        try {
            var blob = blobs.get(lazy.id());
            if (blob == null) {
                return;
            }
            if (blob.leave(lazy.traffic())) {
                blobs.remove(lazy.id());
                blob.abandon();
            }
            store.release(lazy.id(), discard);
        } finally {
            lock.unlock();
        }
    }

    void start(Run run) {
        try {
            runs.execute(run);
        } catch (RejectedExecutionException e) {
            run.refuse();
        }
    }

    void demandSeen() {
        lastDemandNanos = time.nanos();
    }

    /** How long no read has had to wait. */
    long quietNanos() {
        return time.nanos() - lastDemandNanos;
    }

    FetchSettings settings() {
        return settings;
    }

    DiskChunkStore store() {
        return store;
    }

    FetchTime time() {
        return time;
    }

    PriorityGate gate() {
        return gate;
    }

    FetchMetrics metrics() {
        return metrics;
    }

    Stragglers stragglers() {
        return stragglers;
    }

    Bandwidth bandwidth() {
        return bandwidth;
    }

    /** Stops all fetching; reads that wait fail. */
    @Override
    public void close() {
        runs.shutdownNow();
        lock.lock();
        try {
            blobs.values().forEach(BlobFetch::abandon);
            blobs.clear();
        } finally {
            lock.unlock();
        }
        runs.close();
    }
}
