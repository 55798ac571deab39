package dev.thaw.agent.image;

import dev.thaw.agent.cache.CachedBlob;
import dev.thaw.agent.fetch.BackgroundFill;
import dev.thaw.agent.fetch.BlobOrigin;
import dev.thaw.agent.fetch.ChunkFetcher;
import dev.thaw.agent.fetch.FetchReason;
import dev.thaw.agent.fetch.HeldBack;
import dev.thaw.agent.fetch.LazyBlob;
import dev.thaw.agent.fetch.Replay;
import dev.thaw.agent.fetch.Span;
import dev.thaw.agent.fetch.StoredChunks;
import dev.thaw.agent.fetch.TrafficCount;
import dev.thaw.agent.files.Folders;
import dev.thaw.agent.image.ImageTraffic.Flow;
import dev.thaw.agent.image.ImageTraffic.Traffic;
import dev.thaw.agent.image.LearnedTraces.Learned;
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
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An image that can be read: its bootstrap mapped, its blobs open. */
final class OpenImage {
    private static final Logger LOG = LoggerFactory.getLogger(OpenImage.class);
    private static final long LARGEST_CONFIGURATION = 4 << 20;
    private static final Duration LONGEST_END = Duration.ofSeconds(10);
    private static final Duration LONGEST_PULL = Duration.ofSeconds(2);
    private static final Duration LONGEST_FROM_ROOT_TO_PROCESS = Duration.ofMillis(300);

    private static final Duration WITHOUT_SIGN_OF_START = Duration.ofSeconds(60);

    private final StoredImage stored;
    private final ChunkFetcher fetcher;
    private final Bootstrap bootstrap;
    private final List<LazyBlob> blobs;
    private final TrafficCount traffic;
    private final Supplier<ImageEntry> current;
    private final Supplier<RegistryClient> client;
    private final PrefetchMetrics metrics;
    private final ReentrantLock lock = new ReentrantLock();
    private final CompletableFuture<Void> everMounted = new CompletableFuture<>();
    private final CompletableFuture<Void> everStarted = new CompletableFuture<>();
    private final List<Thread> helpers = new ArrayList<>();
    private @Nullable Recording recording;
    private boolean started;
    private volatile boolean closed;
    private @Nullable BackgroundFill fill;
    private volatile boolean mounted;
    private volatile String error = "";

    private OpenImage(
            StoredImage stored,
            ChunkFetcher fetcher,
            Bootstrap bootstrap,
            List<LazyBlob> blobs,
            TrafficCount traffic,
            Supplier<ImageEntry> current,
            Supplier<RegistryClient> client,
            PrefetchMetrics metrics) {
        this.stored = stored;
        this.fetcher = fetcher;
        this.bootstrap = bootstrap;
        this.blobs = blobs;
        this.traffic = traffic;
        this.current = current;
        this.client = client;
        this.metrics = metrics;
    }

    /** @param current the image's entry as the table has it now */
    static OpenImage open(
            StoredImage stored,
            ChunkFetcher fetcher,
            ChunkDecoder decoder,
            Supplier<ImageEntry> current,
            Supplier<RegistryClient> client,
            PrefetchMetrics metrics)
            throws IOException, CorruptImageException {
        var bootstrap = Bootstrap.map(stored.bootstrap());
        var traffic = new TrafficCount();
        var blobs = new ArrayList<LazyBlob>();
        try {
            for (var table : ChunkTable.fromBootstrap(bootstrap)) {
                var blob = table.blob();
                StoredChunks chunks = TableChunks.of(table, decoder);
                var origin = origin(stored.entry(), blob, client);
                if (blob.hasSpans()) {
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
            return new OpenImage(stored, fetcher, bootstrap, List.copyOf(blobs), traffic, current, client, metrics);
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
        if (now) {
            everMounted.complete(null);
        }
    }

    String error() {
        return error;
    }

    void error(String message) {
        error = message;
    }

    /** A pull has begun: sets out for what the start will read, and records what it does read. Once. */
    void claimed(LearnedTraces traces) {
        lock.lock();
        try {
            if (recording != null || closed) {
                return;
            }
            var begun = Recording.begin(blobs, Instant.now());
            recording = begun;
            help(() -> prefetch(traces, begun));
        } finally {
            lock.unlock();
        }
    }

    /** Does work that reads the bootstrap, on a thread that ends before its blobs go. */
    private Thread help(Runnable work) {
        helpers.removeIf(thread -> !thread.isAlive());
        var thread = Thread.ofVirtual().name("prefetch-" + name()).start(work);
        helpers.add(thread);
        return thread;
    }

    /** Brings what a level asks for. Returns when it is here. @return why it cannot be, else */
    Optional<String> warm(WarmLevel level, LearnedTraces traces) throws InterruptedException {
        var task = new FutureTask<>(() -> bring(level, traces));
        Thread helper;
        lock.lock();
        try {
            if (closed) {
                return Optional.of("it is being closed");
            }
            helper = help(task);
        } finally {
            lock.unlock();
        }
        try {
            return task.get();
        } catch (ExecutionException e) {
            var cause = e.getCause();
            return Optional.of(String.valueOf((cause == null ? e : cause).getMessage()));
        } catch (InterruptedException e) {
            helper.interrupt();
            throw e;
        }
    }

    private Optional<String> bring(WarmLevel level, LearnedTraces traces) throws IOException, InterruptedException {
        return switch (level) {
            case METADATA -> Optional.empty();
            case ENTRYPOINT -> bring(Learned.NOTHING);
            case TRACE -> {
                var learned = traces.of(stored.entry().artifact());
                yield learned.chunks().isEmpty()
                        ? Optional.of("the operator does not say what its starts read")
                        : bring(learned);
            }
            case FULL -> {
                var all = blobs.stream()
                        .map(blob -> new Span(blob, 0, blob.chunkCount() - 1))
                        .toList();
                var problem = problem(new Replay(fetcher, FetchReason.BACKGROUND, (blob, chunk) -> {}).run(all));
                if (problem.isEmpty()) {
                    verify();
                }
                yield problem;
            }
        };
    }

    private Optional<String> bring(Learned learned) throws InterruptedException {
        var now = current.get();
        return problem(new StartPrefetch(name(), bootstrap, blobs, fetcher, (blob, chunk) -> {})
                .run(PrefetchPolicy.PATHS, now.prefetchPaths(), learned, this::configuration, () -> {}));
    }

    private static Optional<String> problem(Replay.Outcome outcome) {
        return switch (outcome) {
            case COMPLETE -> Optional.empty();
            case NO_ROOM -> Optional.of("the chunk cache has no room for it");
            case FAILED -> Optional.of("its registry does not give all of it");
        };
    }

    private void prefetch(LearnedTraces traces, Recording recording) {
        try {
            var now = current.get();
            var learned = now.prefetchPolicy() == PrefetchPolicy.LEARN ? traces.of(now.artifact()) : Learned.NOTHING;
            if (learned.learning()) {
                recording.want();
            }
            new StartPrefetch(name(), bootstrap, blobs, fetcher, recording::prefetched)
                    .run(now.prefetchPolicy(), now.prefetchPaths(), learned, this::configuration, this::awaitStart);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            LOG.error("image {} is not prefetched; what is read is still fetched", name(), e);
        }
    }

    /**
     * Returns when a container of the image has started, which on a small machine needs the processors that fetching takes; or
     * when that takes so long that none seems to be waiting for it.
     */
    private void awaitStart() throws InterruptedException {
        if (isDone(everMounted, LONGEST_PULL)) {
            isDone(everStarted, LONGEST_FROM_ROOT_TO_PROCESS);
        }
    }

    private static boolean isDone(CompletableFuture<Void> event, Duration limit) throws InterruptedException {
        try {
            event.get(limit.toMillis(), TimeUnit.MILLISECONDS);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    private byte[] configuration() throws IOException {
        var descriptor = stored.manifest().config();
        if (descriptor.sizeBytes() > LARGEST_CONFIGURATION) {
            throw new IOException(
                    "a configuration of %d bytes is more than is believable".formatted(descriptor.sizeBytes()));
        }
        try (var content = client.get().blob(stored.entry().repository(), descriptor)) {
            return content.readAllBytes();
        }
    }

    /** What the first start reads, if it is being recorded or was. */
    Optional<Recording> recording() {
        lock.lock();
        try {
            return Optional.ofNullable(recording);
        } finally {
            lock.unlock();
        }
    }

    /** Whether nobody has asked this before: the first start of a container since the claim. */
    boolean isFirstStart() {
        lock.lock();
        try {
            boolean first = recording != null && !started;
            started |= first;
            return first;
        } finally {
            lock.unlock();
        }
    }

    /** What is read from now on has nothing to do with the first start any more. */
    void endRecording() {
        lock.lock();
        try {
            if (recording != null && !recording.hasEnded()) {
                recording.end();
                metrics.ended(recording.prefetched());
            }
        } finally {
            lock.unlock();
        }
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
        everStarted.complete(null);
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
            helpers.forEach(Thread::interrupt);
            endRecording();
        } finally {
            lock.unlock();
        }
    }

    /** @param discard whether its blobs leave the disk, unless another image has them */
    void close(boolean discard) throws IOException {
        stop();
        awaitHelpers();
        for (var blob : blobs) {
            fetcher.release(blob, discard);
        }
    }

    /** Lets go of memory that comes back by itself when it is needed. */
    void unload() {
        bootstrap.unload();
    }

    /** They read the blobs, which are about to go. */
    private void awaitHelpers() {
        List<Thread> running;
        lock.lock();
        try {
            running = List.copyOf(helpers);
        } finally {
            lock.unlock();
        }
        try {
            for (var helper : running) {
                if (!helper.join(LONGEST_END)) {
                    LOG.warn("image {} is closed while it is still being prefetched", name());
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    void delete() throws IOException {
        Folders.delete(stored.directory());
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
