package dev.thaw.agent.cache;

import dev.thaw.agent.linux.SystemCallFailed;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All blobs on this node's disk. A blob that two images share is one file, held as long as one of them is. When chunks take
 * more than the high watermark, the least recently read are dropped, of whatever blob, until the low watermark is met.
 */
public final class DiskChunkStore implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DiskChunkStore.class);
    private static final int VICTIMS_AT_ONCE = 256;

    private final CacheSettings settings;
    private final CacheMetrics metrics;
    private final AtomicLong used = new AtomicLong();
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<String, Held> blobs = new HashMap<>();
    private final AtomicBoolean evictionWanted = new AtomicBoolean();
    private final AtomicBoolean diskFull = new AtomicBoolean();
    private final ScheduledExecutorService housekeeping;
    private final long startNanos = System.nanoTime();

    private static final class Held {
        final CachedBlob blob;
        int holders;

        Held(CachedBlob blob) {
            this.blob = blob;
        }
    }

    public DiskChunkStore(CacheSettings settings, MeterRegistry registry) throws IOException {
        this.settings = settings;
        Files.createDirectories(settings.directory());
        metrics = new CacheMetrics(registry, used::get, settings.maxBytes());
        housekeeping = Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().daemon().name("chunk-store").factory());
        long interval = settings.syncInterval().toMillis();
        var _ = housekeeping.scheduleWithFixedDelay(this::persistQuietly, interval, interval, TimeUnit.MILLISECONDS);
    }

    /**
     * Opens a blob, or the one that is open. Each acquire wants its {@link #release}.
     *
     * @param id sha256 of the blob, 64 hex digits
     * @param sizeBytes of its uncompressed address space
     */
    public CachedBlob acquire(String id, long sizeBytes, ChunkLayout layout) throws IOException {
        lock.lock();
        try {
            var held = blobs.get(id);
            if (held == null) {
                held = new Held(CachedBlob.open(this, settings.directory(), id, sizeBytes, layout));
                blobs.put(id, held);
                used.addAndGet(held.blob.cachedBytes());
                askForRoom();
            }
            held.holders++;
            return held.blob;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Gives a blob back.
     *
     * @param discard whether the blob's file goes when this was its last holder
     */
    public void release(String id, boolean discard) throws IOException {
        CachedBlob last = null;
        lock.lock();
        try {
            var held = blobs.get(id);
            if (held != null && --held.holders == 0) {
                blobs.remove(id);
                last = held.blob;
                last.close(discard);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Deletes files of blobs that are neither open nor named: what an image left behind that has gone. */
    public void sweep(Set<String> keep) throws IOException {
        lock.lock();
        try (var files = Files.newDirectoryStream(settings.directory(), "*.{data,present}")) {
            for (var file : files) {
                var name = file.getFileName().toString();
                var id = name.substring(0, name.lastIndexOf('.'));
                if (!keep.contains(id) && !blobs.containsKey(id)) {
                    Files.deleteIfExists(file);
                }
            }
        } finally {
            lock.unlock();
        }
    }

    /** Bytes of chunks on disk. */
    public long usedBytes() {
        return used.get();
    }

    public long capacityBytes() {
        return settings.maxBytes();
    }

    /** Whether the last chunk could not be kept because the disk is full. */
    public boolean isDiskFull() {
        return diskFull.get();
    }

    /** Whether so many more bytes would stay below the mark at which others are evicted for them. */
    public boolean hasRoomFor(long bytes) {
        return used.get() + bytes <= settings.highBytes() && !diskFull.get();
    }

    CacheMetrics metrics() {
        return metrics;
    }

    /** Seconds since the start, at least 1: 0 means never used. */
    int coarseNow() {
        return (int) TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - startNanos) + 1;
    }

    boolean admits(long bytes) {
        return used.get() + bytes <= settings.maxBytes();
    }

    void added(long bytes) {
        diskFull.set(false);
        if (used.addAndGet(bytes) > settings.highBytes()) {
            askForRoom();
        }
    }

    void removed(long bytes) {
        used.addAndGet(-bytes);
    }

    /** A chunk could not be written. What was written of it goes, and so do others, since somebody needs the space. */
    void refused(SystemCallFailed why, CachedBlob blob, int chunk) {
        metrics.uncached();
        if (!why.isDiskFull()) {
            return;
        }
        if (!diskFull.getAndSet(true)) {
            LOG.warn("the cache's disk is full; reads go on without it and the cache shrinks: {}", why.getMessage());
        }
        housekeeping.execute(() -> {
            try {
                blob.evict(new int[] {chunk});
                evictDownTo(Math.min(settings.lowBytes(), used.get() - used.get() / 10));
            } catch (IOException e) {
                LOG.warn("the cache cannot shrink: {}", e.getMessage());
            }
        });
    }

    private void askForRoom() {
        if (used.get() > settings.highBytes() && !evictionWanted.getAndSet(true)) {
            housekeeping.execute(() -> {
                evictionWanted.set(false);
                try {
                    evictDownTo(settings.lowBytes());
                } catch (IOException e) {
                    LOG.warn("chunks cannot be evicted: {}", e.getMessage());
                }
            });
        }
    }

    private record Candidate(CachedBlob blob, int chunk, int lastUse) {}

    /** Drops the least recently read chunks until no more than {@code target} bytes are used. */
    void evictDownTo(long target) throws IOException {
        if (used.get() <= target) {
            return;
        }
        var candidates = new ArrayList<Candidate>();
        for (var blob : openBlobs()) {
            for (int chunk = 0; chunk < blob.layout().count(); chunk++) {
                if (blob.isPresent(chunk)) {
                    candidates.add(new Candidate(blob, chunk, blob.lastUse(chunk)));
                }
            }
        }
        candidates.sort(Comparator.comparingInt(Candidate::lastUse));
        long freed = 0;
        int next = 0;
        while (next < candidates.size() && used.get() > target) {
            var victims = new HashMap<CachedBlob, List<Integer>>();
            long planned = 0;
            int batch = 0;
            while (next < candidates.size() && batch < VICTIMS_AT_ONCE && used.get() - planned > target) {
                var candidate = candidates.get(next++);
                victims.computeIfAbsent(candidate.blob, blob -> new ArrayList<>())
                        .add(candidate.chunk);
                planned += candidate.blob.layout().footprint(candidate.chunk);
                batch++;
            }
            for (var victim : victims.entrySet()) {
                freed += victim.getKey()
                        .evict(victim.getValue().stream()
                                .mapToInt(Integer::intValue)
                                .toArray());
            }
        }
        metrics.evicted(freed);
        LOG.info("evicted {} bytes; {} of {} are in use", freed, used.get(), settings.maxBytes());
    }

    private List<CachedBlob> openBlobs() {
        lock.lock();
        try {
            return blobs.values().stream().map(held -> held.blob).toList();
        } finally {
            lock.unlock();
        }
    }

    /** Makes all chunks survive a power failure. */
    public void persist() throws IOException {
        for (var blob : openBlobs()) {
            blob.persist();
        }
    }

    private void persistQuietly() {
        for (var blob : openBlobs()) {
            try {
                blob.persist();
            } catch (IOException e) {
                LOG.error("chunks of blob {} could not be made durable: {}", blob.id(), e.getMessage());
            }
        }
    }

    Path directory() {
        return settings.directory();
    }

    /** Keeps everything on disk and closes it. */
    @Override
    public void close() throws IOException {
        housekeeping.shutdown();
        lock.lock();
        try {
            for (var held : blobs.values()) {
                held.blob.close(false);
            }
            blobs.clear();
        } finally {
            lock.unlock();
        }
    }
}
