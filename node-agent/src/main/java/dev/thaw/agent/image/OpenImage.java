package dev.thaw.agent.image;

import dev.thaw.agent.cache.CachedBlob;
import dev.thaw.agent.fetch.BackgroundFill;
import dev.thaw.agent.fetch.BlobOrigin;
import dev.thaw.agent.fetch.ChunkFetcher;
import dev.thaw.agent.fetch.FetchReason;
import dev.thaw.agent.fetch.HeldBack;
import dev.thaw.agent.fetch.LazyBlob;
import dev.thaw.agent.fetch.StoredChunks;
import dev.thaw.agent.fetch.TrafficCount;
import dev.thaw.agent.image.ImageTraffic.Flow;
import dev.thaw.agent.image.ImageTraffic.Traffic;
import dev.thaw.agent.mount.MountableImage;
import dev.thaw.oci.Digest;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistryException;
import dev.thaw.rafs.BlobInfo;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.ChunkDecoder;
import dev.thaw.rafs.ChunkTable;
import dev.thaw.rafs.CorruptImageException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An image that can be read: its bootstrap mapped, its blobs open. */
final class OpenImage {
    private static final Logger LOG = LoggerFactory.getLogger(OpenImage.class);
    /** Nearly every container reads them first, to find its user. */
    private static final List<String> ALWAYS_FIRST = List.of("/etc/passwd", "/etc/group");

    private static final int LARGEST_PREFETCH_CHUNKS = 4096;
    private static final Duration WITHOUT_SIGN_OF_START = Duration.ofSeconds(60);

    private final StoredImage stored;
    private final ChunkFetcher fetcher;
    private final Bootstrap bootstrap;
    private final List<LazyBlob> blobs;
    private final TrafficCount traffic;
    private final ReentrantLock lock = new ReentrantLock();
    private boolean prefetched;
    private volatile boolean closed;
    private @Nullable BackgroundFill fill;
    private volatile boolean mounted;
    private volatile String error = "";

    private OpenImage(
            StoredImage stored, ChunkFetcher fetcher, Bootstrap bootstrap, List<LazyBlob> blobs, TrafficCount traffic) {
        this.stored = stored;
        this.fetcher = fetcher;
        this.bootstrap = bootstrap;
        this.blobs = blobs;
        this.traffic = traffic;
    }

    static OpenImage open(
            StoredImage stored, ChunkFetcher fetcher, ChunkDecoder decoder, Supplier<RegistryClient> client)
            throws IOException, CorruptImageException {
        var bootstrap = Bootstrap.map(stored.bootstrap());
        var traffic = new TrafficCount();
        var blobs = new ArrayList<LazyBlob>();
        try {
            for (var table : ChunkTable.fromBootstrap(bootstrap)) {
                var blob = table.blob();
                StoredChunks chunks = TableChunks.of(table, decoder);
                var origin = origin(stored.entry(), blob, client);
                if (blob.isGzip()) {
                    var spans = SpanFile.open(stored.spans(blob), table);
                    chunks = SpanChunks.of(chunks, spans);
                    origin = new LayerOrigin(origin, spans);
                }
                // A layer may be described in more than one way, and what is kept of it goes by how it is cut into
                // chunks.
                blobs.add(fetcher.open(
                        blob.isLayer() ? blob.tableId() : blob.id(), blob.uncompressedSize(), chunks, origin, traffic));
            }
            bootstrap.unload();
            return new OpenImage(stored, fetcher, bootstrap, List.copyOf(blobs), traffic);
        } catch (IOException | CorruptImageException | RuntimeException e) {
            for (var blob : blobs) {
                fetcher.release(blob, false);
            }
            throw e;
        }
    }

    private static BlobOrigin origin(ImageEntry entry, BlobInfo blob, Supplier<RegistryClient> client) {
        var digest = new Digest("sha256", blob.id());
        return new BlobOrigin() {
            @Override
            public InputStream range(long offset, long length, int way) throws IOException {
                try {
                    return client.get().rangeOnce(entry.repository(), digest, offset, length, way);
                } catch (RegistryException e) {
                    var pause = e.retryAfter();
                    if (pause.isPresent()) {
                        throw new HeldBack(pause.get(), e);
                    }
                    throw e;
                }
            }

            @Override
            public void distrust(InputStream delivered) {
                if (delivered instanceof dev.thaw.oci.BlobRange range) {
                    range.distrust();
                }
            }
        };
    }

    ImageEntry entry() {
        return stored.entry();
    }

    int layers() {
        return stored.layers();
    }

    String name() {
        return stored.entry().artifact().hex();
    }

    List<String> blobIds() {
        return blobs.stream().map(LazyBlob::id).toList();
    }

    MountableImage mountable() {
        return new MountableImage(name(), stored.bootstrap(), bootstrap, blobs);
    }

    /** Whether all of the image is on disk, and was compared with its digests. */
    boolean isWhole() {
        return blobs.stream().allMatch(blob -> blob.cached().isWhole());
    }

    /** Compares what an earlier life left on disk with its digests, unless something of the image is missing anyway. */
    void verify() throws IOException, InterruptedException {
        if (cachedBytes() < totalBytes()) {
            return;
        }
        for (var blob : blobs) {
            for (int chunk = 0; chunk < blob.chunkCount(); chunk++) {
                long begun = System.nanoTime();
                if (closed || !blob.cached().verify(chunk)) {
                    return;
                }
                // Half of the disk and of a processor is for those who wait.
                Thread.sleep(Duration.ofNanos(System.nanoTime() - begun));
            }
        }
    }

    /** The files that hold the image once it is whole, in the order of the device table. */
    List<Path> files() {
        return blobs.stream().map(blob -> blob.cached().dataFile()).toList();
    }

    /** Keeps all that is on disk of the image there. */
    List<CachedBlob.Pin> pin() {
        return blobs.stream().map(blob -> blob.cached().pin()).toList();
    }

    void persist() throws IOException {
        for (var blob : blobs) {
            blob.cached().persist();
        }
    }

    ReentrantLock lock() {
        return lock;
    }

    boolean isMounted() {
        return mounted;
    }

    void mounted(boolean now) {
        mounted = now;
    }

    String error() {
        return error;
    }

    void error(String message) {
        error = message;
    }

    /** Sets out for what the container is sure, or said, to read first. Once. */
    void prefetch() {
        lock.lock();
        try {
            if (prefetched || closed) {
                return;
            }
            prefetched = true;
        } finally {
            lock.unlock();
        }
        var paths = new ArrayList<>(ALWAYS_FIRST);
        paths.addAll(stored.entry().prefetchPaths());
        int budget = LARGEST_PREFETCH_CHUNKS;
        try {
            for (long nid : bootstrap.prefetchNids()) { // what the image's builder was told
                budget = prefetch(nid, budget);
            }
        } catch (CorruptImageException e) {
            LOG.warn("the prefetch table of image {} is of no use: {}", name(), e.getMessage());
        }
        for (var path : paths) {
            try {
                var nid = bootstrap.resolve(path);
                if (nid.isPresent()) {
                    budget = prefetch(nid.getAsLong(), budget);
                }
            } catch (CorruptImageException | IllegalArgumentException e) {
                LOG.warn("{} of image {} is not prefetched: {}", path, name(), e.getMessage());
            }
        }
    }

    /** A file, or all files in and below a directory. @return what is left of the budget */
    private int prefetch(long nid, int budget) throws CorruptImageException {
        var inode = bootstrap.inode(nid);
        int left = budget;
        if (inode.isDirectory()) {
            var children = new ArrayList<Long>();
            bootstrap.list(nid, (name, child, type) -> {
                boolean self = name.length == 1 && name[0] == '.';
                boolean parent = name.length == 2 && name[0] == '.' && name[1] == '.';
                if (!self && !parent) {
                    children.add(child);
                }
                return children.size() < LARGEST_PREFETCH_CHUNKS;
            });
            for (var child : children) {
                if (left > 0) {
                    left = prefetch(child, left);
                }
            }
        } else if (inode.isRegular()) {
            int count = Math.min(bootstrap.chunkCount(nid), left);
            int index = 0;
            while (index < count) {
                var first = bootstrap.fileChunk(nid, index);
                int last = first.chunkIndex();
                index++;
                while (index < count) {
                    var next = bootstrap.fileChunk(nid, index);
                    if (next.blobIndex() != first.blobIndex() || next.chunkIndex() != last + 1) {
                        break;
                    }
                    last++;
                    index++;
                }
                blobs.get(first.blobIndex()).prefetch(first.chunkIndex(), last);
            }
            left -= count;
        }
        return left;
    }

    /** The image is mounted: what its policy says about the rest of it begins to hold. */
    void fillAfterMount() {
        switch (stored.entry().backgroundFetch()) {
            case ALWAYS -> fill(Duration.ZERO);
            // Where nobody tells of starts, a long silence must do.
            case AFTER_READY -> fill(WITHOUT_SIGN_OF_START);
            case NEVER -> {}
        }
    }

    /** The first container has started. */
    void fillAfterStart() {
        if (stored.entry().backgroundFetch() == BackgroundFetch.AFTER_READY) {
            lock.lock();
            try {
                if (!closed) {
                    stopFilling();
                    fill = BackgroundFill.startWhenQuiet(fetcher, name(), blobs);
                }
            } finally {
                lock.unlock();
            }
        }
    }

    private void fill(Duration quietFirst) {
        lock.lock();
        try {
            if (fill == null && !closed) {
                fill = BackgroundFill.start(fetcher, name(), blobs, quietFirst);
            }
        } finally {
            lock.unlock();
        }
    }

    private void stopFilling() {
        if (fill != null) {
            fill.close();
            fill = null;
        }
    }

    /** Ends all fetching for the image, before its mount goes. */
    void stop() {
        lock.lock();
        try {
            closed = true;
            stopFilling();
        } finally {
            lock.unlock();
        }
    }

    /** @param discard whether its blobs leave the disk, unless another image has them */
    void close(boolean discard) throws IOException {
        stop();
        for (var blob : blobs) {
            fetcher.release(blob, discard);
        }
    }

    /** Lets go of memory that comes back by itself when it is needed. */
    void unload() {
        bootstrap.unload();
    }

    void delete() throws IOException {
        StoredImage.delete(stored.directory());
    }

    long cachedBytes() {
        return blobs.stream().mapToLong(LazyBlob::cachedBytes).sum();
    }

    long totalBytes() {
        return blobs.stream().mapToLong(LazyBlob::totalBytes).sum();
    }

    Traffic traffic() {
        return new Traffic(
                flow(FetchReason.DEMAND),
                flow(FetchReason.AHEAD),
                flow(FetchReason.BACKGROUND),
                traffic.waited(),
                traffic.touchedBytes(),
                cachedBytes(),
                totalBytes());
    }

    private Flow flow(FetchReason reason) {
        return new Flow(traffic.bytes(reason), traffic.requests(reason));
    }
}
