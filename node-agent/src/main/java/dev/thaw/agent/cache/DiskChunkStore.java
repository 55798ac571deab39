package dev.thaw.agent.cache;

import dev.thaw.agent.linux.Errno;
import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.SystemCallFailed;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
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
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All blobs on this node's disk. A blob that two images share is one file, held as long as one of them is. When chunks take
 * more than the high watermark, the least recently read are dropped, of whatever blob, until the low watermark is met.
 */
public final class DiskChunkStore implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DiskChunkStore.class);
    private static final int VICTIMS_AT_ONCE = 256;
    /** 2020-01-01T00:00:00Z, in seconds since 1970: times of use are counted from here, and fit an int. */
    static final long EPOCH_SECONDS = 1_577_836_800L;

    private static final long RECENCY_INTERVAL_SECONDS = 600;
    /** What is read at most, each time, to find damage before a reader does. */
    private static final long SCRUB_BYTES = 4L << 20;
    /** A disk that had no room is not full any more once it has this much, where no floor says otherwise. */
    private static final long ROOM_AGAIN_BYTES = 16L << 20;
    /** Share of what eviction leaves that may be kept from it; the rest is for images that are still being fetched. */
    private static final double KEPT = 0.75;

    private final CacheSettings settings;
    private final CacheMetrics metrics;
    private final AtomicLong used = new AtomicLong();
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<String, Held> blobs = new HashMap<>();
    private final AtomicBoolean evictionWanted = new AtomicBoolean();
    private final AtomicBoolean diskFull = new AtomicBoolean();
    private final LongSupplier free;
    /** What was free at the last look, less what was added since. */
    private final AtomicLong freeBytes = new AtomicLong();

    private final boolean canTellReaders;
    private final ScheduledExecutorService housekeeping;
    private final long startNanos = System.nanoTime();
    private final long startSeconds = System.currentTimeMillis() / 1000 - EPOCH_SECONDS;

    private static final class Held {
        final CachedBlob blob;
        int holders;

        Held(CachedBlob blob) {
            this.blob = blob;
        }
    }

    public DiskChunkStore(CacheSettings settings, MeterRegistry registry) throws IOException {
        this(settings, registry, usable(settings.directory()));
    }

    /** @param free bytes of the file system that may still be written */
    DiskChunkStore(CacheSettings settings, MeterRegistry registry, LongSupplier free) throws IOException {
        this.settings = settings;
        this.free = free;
        Files.createDirectories(settings.directory());
        freeBytes.set(free.getAsLong());
        canTellReaders = tryToTellReaders(settings.directory());
        metrics = new CacheMetrics(registry, used::get, settings.maxBytes());
        housekeeping = Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().daemon().name("chunk-store").factory());
        long interval = settings.syncInterval().toMillis();
        var _ = housekeeping.scheduleWithFixedDelay(this::keepHouse, interval, interval, TimeUnit.MILLISECONDS);
        var _ = housekeeping.scheduleWithFixedDelay(
                this::rememberUse, RECENCY_INTERVAL_SECONDS, RECENCY_INTERVAL_SECONDS, TimeUnit.SECONDS);
    }

    private static LongSupplier usable(Path directory) throws IOException {
        Files.createDirectories(directory);
        var disk = Files.getFileStore(directory);
        return () -> {
            try {
                return disk.getUsableSpace();
            } catch (IOException e) {
                LOG.warn("nobody can say how much of the disk of {} is free: {}", directory, e.getMessage());
                return Long.MAX_VALUE;
            }
        };
    }

    private void keepHouse() {
        look();
        persistQuietly();
        scrub();
    }

    private static boolean tryToTellReaders(Path directory) throws IOException {
        var file = Files.createTempFile(directory, "lease", ".try");
        try {
            int descriptor = Libc.open(file, Libc.O_RDWR);
            try {
                if (Libc.isOpenElsewhere(descriptor, file.toString())) {
                    throw new SystemCallFailed("lease " + file, Errno.EAGAIN);
                }
                int second = Libc.open(file, Libc.O_RDONLY);
                try {
                    return Libc.isOpenElsewhere(descriptor, file.toString());
                } finally {
                    Libc.close(second);
                }
            } finally {
                Libc.close(descriptor);
            }
        } catch (SystemCallFailed e) {
            LOG.warn(
                    "{} is on a file system that does not tell who has a file open; complete images go on through the agent: {}",
                    directory,
                    e.getMessage());
            return false;
        } finally {
            Files.deleteIfExists(file);
        }
    }

    /** Whether it can be known that somebody reads a blob's file without asking us. Without that, nobody may. */
    public boolean canTellReaders() {
        return canTellReaders;
    }

    /** Whether blobs of so many more bytes may be kept from eviction, which is what giving their files to others does. */
    public boolean canKeep(long bytes) {
        long kept = openBlobs().stream()
                .filter(CachedBlob::isReadByOthers)
                .mapToLong(CachedBlob::cachedBytes)
                .sum();
        return kept + bytes <= settings.lowBytes() * KEPT;
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
        try (var files = Files.newDirectoryStream(settings.directory(), "*.{data,present,recent,part}")) {
            for (var file : files) {
                var name = file.getFileName().toString();
                var id = name.substring(0, name.indexOf('.'));
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

    /** Whether less of the disk is free than is to be, so that chunks are evicted and new ones not kept. */
    public boolean isShortOfDisk() {
        return freeBytes.get() < settings.minFreeBytes();
    }

    /** What is to be left free of the disk. */
    public long minFreeBytes() {
        return settings.minFreeBytes();
    }

    /** Whether so many more bytes would stay below the mark at which others are evicted for them. */
    public boolean hasRoomFor(long bytes) {
        return used.get() + bytes <= settings.highBytes()
                && !diskFull.get()
                && freeBytes.get() - bytes >= settings.comfortableFreeBytes();
    }

    CacheMetrics metrics() {
        return metrics;
    }

    /** Seconds since {@link #EPOCH_SECONDS}, of a clock that never goes back while we run; 0 means never used. */
    int coarseNow() {
        return (int) (startSeconds + TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - startNanos));
    }

    /** Takes room for a chunk that is about to be written; what is not used of it is {@link #removed}. */
    boolean reserve(long bytes) {
        if (diskFull.get() || freeBytes.get() - bytes < settings.minFreeBytes()) {
            return false;
        }
        long before = used.get();
        while (before + bytes <= settings.maxBytes()) {
            long seen = used.compareAndExchange(before, before + bytes);
            if (seen == before) {
                freeBytes.addAndGet(-bytes);
                return true;
            }
            before = seen;
        }
        return false;
    }

    /** A reserved chunk is there. */
    void added() {
        askForRoom();
    }

    void removed(long bytes) {
        used.addAndGet(-bytes);
        freeBytes.addAndGet(bytes);
    }

    /** Chunks are counted no more; they may be on disk for whoever opens their blob again. */
    void released(long bytes) {
        used.addAndGet(-bytes);
    }

    /** Looks how much of the disk is free, and makes more of it so where that is too little. */
    void look() {
        long found = free.getAsLong();
        freeBytes.set(found);
        if (found >= Math.max(settings.minFreeBytes(), ROOM_AGAIN_BYTES) && diskFull.getAndSet(false)) {
            LOG.info("the cache's disk has room again");
        }
        if (found < settings.minFreeBytes() && used.get() > 0) {
            LOG.warn(
                    "only {} bytes of the cache's disk are free, {} are to be: the cache shrinks",
                    found,
                    settings.minFreeBytes());
            try {
                evictDownTo(Math.max(0, used.get() - (settings.comfortableFreeBytes() - found)));
            } catch (IOException e) {
                LOG.warn("the cache cannot shrink: {}", e.getMessage());
            }
        }
    }

    private void scrub() {
        long left = SCRUB_BYTES;
        for (var blob : openBlobs()) {
            try {
                left -= blob.scrub(left);
            } catch (IOException e) {
                LOG.warn("chunks of blob {} cannot be checked: {}", blob.id(), e.getMessage());
            }
            if (left <= 0) {
                return;
            }
        }
    }

    private void rememberUse() {
        for (var blob : openBlobs()) {
            try {
                blob.rememberUse();
            } catch (IOException e) {
                LOG.warn("the times of use of blob {} cannot be kept: {}", blob.id(), e.getMessage());
            }
        }
    }

    /** A chunk could not be written. What was written of it goes, and so do others, since somebody needs the space. */
    void refused(SystemCallFailed why, CachedBlob blob, int chunk) {
        metrics.uncached();
        if (!why.isDiskFull()) {
            return;
        }
        boolean first = !diskFull.getAndSet(true);
        if (first) {
            LOG.warn("the cache's disk is full; reads go on without it and the cache shrinks: {}", why.getMessage());
        }
        housekeeping.execute(() -> {
            try {
                blob.forget(chunk);
                if (first) {
                    evictDownTo(Math.min(settings.lowBytes(), used.get() - used.get() / 10));
                }
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

    /**
     * Drops the least recently read chunks until no more than {@code target} bytes are used. Takes no memory for each chunk:
     * the time before which they go is found first.
     */
    void evictDownTo(long target) throws IOException {
        if (used.get() <= target) {
            return;
        }
        var blobs = openBlobs().stream().filter(blob -> !blob.isReadByOthers()).toList();
        int newest = newestToGo(blobs, used.get() - target);
        long freed = 0;
        var victims = new int[VICTIMS_AT_ONCE];
        for (var blob : blobs) {
            int count = 0;
            long planned = 0;
            for (int chunk = 0; chunk < blob.layout().count() && used.get() - planned > target; chunk++) {
                if (blob.isPresent(chunk) && blob.lastUse(chunk) <= newest) {
                    victims[count++] = chunk;
                    planned += blob.layout().footprint(chunk);
                }
                if (count == VICTIMS_AT_ONCE) {
                    freed += blob.evict(victims);
                    count = 0;
                    planned = 0;
                }
            }
            if (count > 0) {
                freed += blob.evict(Arrays.copyOf(victims, count));
            }
        }
        metrics.evicted(freed);
        LOG.info("evicted {} bytes; {} of {} are in use", freed, used.get(), settings.maxBytes());
    }

    /** The earliest time of which it holds that chunks not read since then take so many bytes. */
    private int newestToGo(List<CachedBlob> blobs, long bytes) {
        int low = 0;
        int high = coarseNow();
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (bytesUntouchedSince(blobs, middle) >= bytes) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }

    private static long bytesUntouchedSince(List<CachedBlob> blobs, int time) {
        long bytes = 0;
        for (var blob : blobs) {
            for (int chunk = 0; chunk < blob.layout().count(); chunk++) {
                if (blob.lastUse(chunk) <= time && blob.isPresent(chunk)) {
                    bytes += blob.layout().footprint(chunk);
                }
            }
        }
        return bytes;
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
