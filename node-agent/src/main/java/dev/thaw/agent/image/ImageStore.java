package dev.thaw.agent.image;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.MountFailed;
import dev.thaw.agent.AgentException.StorageFailed;
import dev.thaw.agent.AgentException.UnknownImage;
import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.cache.CachedBlob;
import dev.thaw.agent.cache.DiskChunkStore;
import dev.thaw.agent.fetch.ChunkFetcher;
import dev.thaw.agent.fetch.FetchSettings;
import dev.thaw.agent.files.Folders;
import dev.thaw.agent.linux.MountTable;
import dev.thaw.agent.mount.MountDriver;
import dev.thaw.oci.Digest;
import dev.thaw.rafs.ChunkDecoder;
import dev.thaw.rafs.CorruptImageException;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The lazy images of this node. An image is <em>open</em> from its first claim until its release: its bootstrap is on disk
 * and checked, its blobs can be read. It is <em>mounted</em> from the first container on. Once all of it is on disk it is
 * <em>detached</em> for containers that start from then on, until no container stands on it.
 */
public final class ImageStore implements LazyImages, ImageTraffic, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ImageStore.class);
    private static final Duration LONGEST_OPENING = Duration.ofMinutes(2);
    private static final Duration UNLOAD_INTERVAL = Duration.ofSeconds(30);
    private static final Duration READ_AHEAD_INTERVAL = Duration.ofSeconds(1);
    private static final Duration LOOK_INTERVAL = Duration.ofMillis(2);
    /** What a process reads so long after its start is not read for it. */
    private static final Duration LONGEST_START = Duration.ofMinutes(5);
    /** Every layer of an image asks; one failure answers for all of a pull. */
    private static final Duration FAILURE_HOLDS = Duration.ofSeconds(5);

    private final Path images;
    private final ImageTable table;
    private final RegistryAccess access;
    private final LearnedTraces traces;
    private final MountDriver driver;
    private final DiskChunkStore store;
    private final ChunkFetcher fetcher;
    private final ChunkDecoder decoder = new ChunkDecoder();
    private final ExecutorService work = Executors.newVirtualThreadPerTaskExecutor();
    private final Map<Digest, CompletableFuture<OpenImage>> open = new ConcurrentHashMap<>();
    /** Images that are on their way out; who wants one again waits until it is gone. */
    private final Map<Digest, CompletableFuture<Void>> closing = new ConcurrentHashMap<>();

    private final Map<Digest, Failure> failures = new ConcurrentHashMap<>();
    private final WarmImages warm;
    private final PrefetchMetrics prefetches;
    private volatile Runnable warmthListener = () -> {};
    private final Counter claimed;
    private final Counter refused;

    private record Failure(long atNanos, String message) {}

    /**
     * @param root the agent's directory; images are in {@code images} below it
     * @param traces what is known of starts elsewhere
     * @param driver is closed by whoever made it, after this store
     * @throws StorageFailed when the cache's directory cannot be used
     */
    public ImageStore(
            Path root,
            ImageTable table,
            RegistryAccess access,
            LearnedTraces traces,
            CacheSettings cache,
            FetchSettings fetch,
            MountDriver driver,
            MeterRegistry registry)
            throws StorageFailed {
        images = root.resolve("images");
        this.table = table;
        this.access = access;
        this.traces = traces;
        this.driver = driver;
        try {
            Files.createDirectories(images);
            store = new DiskChunkStore(cache, registry);
        } catch (IOException e) {
            throw new StorageFailed(cache.directory(), "the cache cannot be used: " + e.getMessage(), false, e);
        }
        fetcher = new ChunkFetcher(fetch, store, registry);
        prefetches = new PrefetchMetrics(registry);
        warm = new WarmImages((artifact, level) -> opened(artifact).warm(level, traces), () -> warmthListener.run());
        work.execute(this::unloadNowAndThen);
        work.execute(this::readAheadAsFits);
        claimed = claims(registry, "claimed");
        refused = claims(registry, "refused");
        Gauge.builder("thaw.images", open, Map::size)
                .description("Lazy images on this node")
                .register(registry);
        Gauge.builder("thaw.images.detached", this, ImageStore::detachedImages)
                .description("Lazy images that are complete and whose new containers read them without the agent")
                .register(registry);
    }

    /** Pages of mapped bootstraps count as ours for as long as nobody takes them; many large images would fill a small limit. */
    private void unloadNowAndThen() {
        try {
            while (true) {
                Thread.sleep(UNLOAD_INTERVAL);
                open.keySet().forEach(artifact -> present(artifact).ifPresent(OpenImage::unload));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Images become whole as chunks come, and are so no more once chunks are evicted; read-ahead follows a little later. */
    private void readAheadAsFits() {
        try {
            while (true) {
                Thread.sleep(READ_AHEAD_INTERVAL);
                for (var artifact : open.keySet()) {
                    present(artifact)
                            .filter(OpenImage::isMounted)
                            .ifPresent(image -> driver.readAhead(
                                    image.name(), image.files(), image.cachedBytes() == image.totalBytes()));
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static Counter claims(MeterRegistry registry, String outcome) {
        return Counter.builder("thaw.image.claims")
                .tag("outcome", outcome)
                .description("Layers of images that asked to be lazy")
                .register(registry);
    }

    @Override
    public boolean claim(Digest artifact) {
        try {
            var failure = failures.get(artifact);
            if (failure != null && System.nanoTime() - failure.atNanos < FAILURE_HOLDS.toNanos()) {
                throw new UnknownImage(artifact, failure.message);
            }
            var image = opened(artifact);
            failures.remove(artifact);
            image.claimed(traces);
            claimed.increment();
            return true;
        } catch (AgentException e) {
            failures.putIfAbsent(artifact, new Failure(System.nanoTime(), String.valueOf(e.getMessage())));
            failures.computeIfPresent(
                    artifact,
                    (key, old) -> System.nanoTime() - old.atNanos < FAILURE_HOLDS.toNanos()
                            ? old
                            : new Failure(System.nanoTime(), String.valueOf(e.getMessage())));
            refused.increment();
            LOG.warn("image {} is not claimed and will be pulled as usual: {}", artifact, e.getMessage());
            return false;
        }
    }

    @Override
    public int layers(Digest artifact) throws AgentException {
        return opened(artifact).layers();
    }

    @Override
    public Path mount(Digest artifact) throws AgentException {
        var image = opened(artifact);
        image.lock().lock();
        try {
            var detached = detached(image);
            if (detached.isPresent()) {
                if (!image.isMounted()) {
                    // The first start reads without the agent: nothing can be learned from it.
                    image.endRecording();
                }
                image.mounted(true);
                return detached.get();
            }
        } finally {
            image.lock().unlock();
        }
        return mount(image);
    }

    /** The mount whose reads come to the agent. */
    private Path mount(OpenImage image) throws MountFailed {
        image.lock().lock();
        try {
            var root = driver.mount(image.mountable());
            image.mounted(true);
            image.error("");
            image.fillAfterMount();
            return root;
        } catch (MountFailed e) {
            image.error(String.valueOf(e.getMessage()));
            throw e;
        } finally {
            image.lock().unlock();
        }
    }

    /** The mount that needs no agent, if all of the image is here. */
    private Optional<Path> detached(OpenImage image) {
        var mounted = driver.detached(image.name());
        if (mounted.isPresent() || !mayDetach(image)) {
            return mounted;
        }
        var pins = image.pin();
        try {
            // Before the pins something may have left.
            if (!image.isWhole()) {
                return Optional.empty();
            }
            image.persist();
            var root = driver.detach(image.mountable(), image.files());
            LOG.info("image {} is complete: containers that start now need no agent", image.name());
            return Optional.of(root);
        } catch (MountFailed | IOException e) {
            LOG.warn("image {} is complete and goes on through the agent: {}", image.name(), e.getMessage());
            return Optional.empty();
        } finally {
            pins.forEach(CachedBlob.Pin::close);
        }
    }

    private boolean mayDetach(OpenImage image) {
        return driver.canDetach() && store.canTellReaders() && image.isWhole() && store.canKeep(image.totalBytes());
    }

    @Override
    public void idle(Digest artifact) {
        present(artifact).ifPresent(image -> {
            image.lock().lock();
            try {
                if (driver.detached(image.name()).isPresent()) {
                    driver.endDetached(image.name());
                    LOG.info("no container is left on image {}: its chunks may be evicted again", image.name());
                }
            } catch (MountFailed e) {
                LOG.error("image {} is idle and stays mounted: {}", image.name(), e.getMessage());
            } finally {
                image.lock().unlock();
            }
        });
    }

    /** A container of the image has started: filling that waits for that may begin, and the first start's recording end. */
    public void started(Digest artifact) {
        present(artifact).ifPresent(image -> {
            image.fillAfterStart();
            if (image.isFirstStart()) {
                work.execute(() -> endRecording(image));
            }
        });
    }

    private static void endRecording(OpenImage image) {
        try {
            Thread.sleep(LONGEST_START);
            image.endRecording();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** What the first start of the image on this node reads, if it was claimed since the agent started. */
    public Optional<Recording> recording(Digest artifact) {
        return present(artifact).flatMap(OpenImage::recording);
    }

    @Override
    public void release(Digest artifact) {
        var opening = open.remove(artifact);
        if (opening != null) {
            var gone = new CompletableFuture<Void>();
            closing.put(artifact, gone);
            work.execute(() -> {
                try {
                    var image = opening.get(LONGEST_OPENING.toMillis(), TimeUnit.MILLISECONDS);
                    discard(image, warm.holds(artifact));
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                } catch (ExecutionException | TimeoutException e) {
                    LOG.debug("image {} was released and had never been opened", artifact);
                } finally {
                    closing.remove(artifact, gone);
                    gone.complete(null);
                    warm.again(artifact);
                }
            });
        }
    }

    /** An image that is held stays on disk, and is opened anew. */
    private void discard(OpenImage image, boolean held) {
        image.stop();
        try {
            driver.unmount(image.name());
        } catch (MountFailed e) {
            LOG.error("image {} was released and cannot be unmounted: {}", image.name(), e.getMessage());
        }
        image.mounted(false);
        try {
            image.close(!held);
            if (!held) {
                image.delete();
            }
            LOG.info("image {} was released", image.name());
        } catch (IOException e) {
            LOG.error("image {} was released and cannot be deleted: {}", image.name(), e.getMessage());
        }
    }

    /**
     * Serves what the kernel has been asking for since the process before this one ended, ahead of all else.
     *
     * @param mostPause how long whoever calls leaves the processors to those who wait; what they wait for may need him
     */
    public void takeOver(Duration mostPause) throws InterruptedException {
        var restored = new ArrayList<CompletableFuture<?>>();
        for (var name : driver.takenOver()) {
            StoredImage.artifact(name)
                    .ifPresent(artifact -> restored.add(CompletableFuture.runAsync(() -> restore(artifact), work)));
        }
        long deadline = System.nanoTime() + mostPause.toNanos();
        while ((driver.isWaitedFor() || !restored.stream().allMatch(CompletableFuture::isDone))
                && System.nanoTime() < deadline) {
            Thread.sleep(LOOK_INTERVAL);
        }
    }

    @Override
    public void restore(Collection<Digest> inUse) throws AgentException {
        var mounts = new ArrayList<CompletableFuture<Optional<String>>>();
        for (var artifact : Set.copyOf(inUse)) {
            mounts.add(CompletableFuture.supplyAsync(() -> restore(artifact), work));
        }
        var names = new HashSet<String>();
        mounts.forEach(mount -> mount.join().ifPresent(names::add));
        for (var artifact : open.keySet()) {
            if (!inUse.contains(artifact)) {
                // Taken over, and released just before.
                release(artifact);
            }
        }
        driver.retain(names);
        var kept = new HashSet<>(inUse);
        kept.addAll(warm.all());
        try {
            deleteOthers(kept);
            var blobs = new HashSet<String>();
            for (var artifact : kept) {
                openStored(artifact).ifPresent(image -> blobs.addAll(image.blobIds()));
            }
            store.sweep(blobs);
            work.execute(() -> verify(kept));
            warm.begin();
        } catch (IOException e) {
            throw new StorageFailed(images, "what earlier images left cannot be deleted: " + e.getMessage(), false, e);
        }
    }

    /** Looks, one after the other, whether what an earlier life completed is still right: then it can be detached. */
    private void verify(Collection<Digest> images) {
        try {
            for (var artifact : images) {
                var image = present(artifact);
                if (image.isPresent()) {
                    image.get().verify();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            LOG.warn("what is on disk of complete images was not compared with its digests: {}", e.getMessage());
        }
    }

    private Optional<String> restore(Digest artifact) {
        try {
            // Containers that run may stand on this one, even if others are detached.
            mount(opened(artifact));
            started(artifact);
            return Optional.of(artifact.hex());
        } catch (AgentException e) {
            LOG.error("image {} is in use and cannot be served: {}", artifact, e.getMessage());
            return Optional.empty();
        }
    }

    /** Opens an image only if its registry need not be asked. */
    private Optional<OpenImage> openStored(Digest artifact) {
        try {
            return Files.exists(images.resolve(artifact.hex())) ? Optional.of(opened(artifact)) : present(artifact);
        } catch (AgentException e) {
            LOG.warn("image {} is on disk and cannot be opened: {}", artifact, e.getMessage());
            return Optional.empty();
        }
    }

    private void deleteOthers(Collection<Digest> inUse) throws IOException {
        var keep = new HashSet<String>();
        inUse.forEach(artifact -> keep.add(artifact.hex()));
        try (var directories = Files.newDirectoryStream(images)) {
            for (var directory : directories) {
                if (!keep.contains(directory.getFileName().toString())) {
                    Folders.delete(directory);
                }
            }
        }
    }

    /**
     * Holds these images from now on, whether or not a snapshot refers to them; before {@link #restore}, those that are not to be
     * deleted there.
     *
     * @return those that were held and are no more: whoever knows that no snapshot refers to one {@link #release}s it
     */
    public Set<Digest> hold(Map<Digest, WarmLevel> wanted) {
        return warm.hold(wanted);
    }

    /** Calls back when more or less of a held image is here; must not block. */
    public void onWarmth(Runnable listener) {
        warmthListener = listener;
    }

    @Override
    public Traffic of(Digest artifact) {
        return present(artifact).map(OpenImage::traffic).orElse(Traffic.NONE);
    }

    private long detachedImages() {
        return open.keySet().stream()
                .filter(artifact -> driver.detached(artifact.hex()).isPresent())
                .count();
    }

    /** All images on this node, and those that it is told to hold. */
    public List<ImageState> states() {
        var all = new HashSet<>(open.keySet());
        all.addAll(warm.all());
        var mounts = machine();
        return all.stream()
                .flatMap(artifact -> state(artifact, mounts).stream())
                .toList();
    }

    private Optional<ImageState> state(Digest artifact, Optional<MountTable> mounts) {
        var image = present(artifact);
        var warmth = warm.of(artifact);
        if (image.isEmpty() && warmth.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new ImageState(
                artifact,
                image.map(OpenImage::cachedBytes).orElse(0L),
                image.map(OpenImage::totalBytes).orElse(0L),
                image.map(OpenImage::isMounted).orElse(false),
                image.map(open -> attached(open, mounts)).orElse(0),
                image.map(OpenImage::error).orElse(""),
                warmth.map(WarmImages.Warmth::wanted),
                warmth.flatMap(WarmImages.Warmth::reached),
                warmth.map(WarmImages.Warmth::error).orElse("")));
    }

    private static Optional<MountTable> machine() {
        try {
            return Optional.of(MountTable.ofMachine());
        } catch (IOException e) {
            LOG.warn("it cannot be seen which containers run: {}", e.getMessage());
            return Optional.empty();
        }
    }

    /** Where nothing can be seen, there may be one. */
    private int attached(OpenImage image, Optional<MountTable> mounts) {
        var point = driver.point(image.name());
        return mounts.map(table -> (int) table.mounts().stream()
                        .filter(mount -> mount.standsOn(point))
                        .count())
                .orElse(image.isMounted() ? 1 : 0);
    }

    /** Bytes of chunks on disk. */
    public long cacheBytes() {
        return store.usedBytes();
    }

    public long cacheCapacityBytes() {
        return store.capacityBytes();
    }

    /** What whoever runs the node should know, a sentence each. */
    public List<String> problems() {
        var problems = new ArrayList<String>();
        if (store.isDiskFull()) {
            problems.add("The disk of the chunk cache is full: lazy images are read without being cached.");
        }
        if (store.isShortOfDisk()) {
            problems.add(("The file system of the chunk cache has less than %d MiB free: the cache shrinks, and what is"
                            + " fetched is not kept.")
                    .formatted(store.minFreeBytes() >> 20));
        }
        if (!driver.survivesRestart()) {
            problems.add(
                    "Mounts of driver %s end with the agent: running containers on lazy images will see input/output"
                                    .formatted(driver.name())
                            + " errors when it restarts.");
        }
        return problems;
    }

    private Optional<OpenImage> present(Digest artifact) {
        var opening = open.get(artifact);
        return opening == null || opening.isCompletedExceptionally()
                ? Optional.empty()
                : Optional.ofNullable(opening.getNow(null));
    }

    /** The open image; opens it, once for all who ask. */
    @SuppressWarnings("ReferenceEquality") // a future is itself
    private OpenImage opened(Digest artifact) throws AgentException {
        var mine = new CompletableFuture<OpenImage>();
        var opening = open.computeIfAbsent(artifact, key -> mine);
        if (opening == mine) {
            work.execute(() -> open(artifact, mine));
        }
        try {
            return opening.get(LONGEST_OPENING.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UnknownImage(artifact, "opening it was interrupted");
        } catch (TimeoutException e) {
            throw new UnknownImage(artifact, "its bootstrap did not come within " + LONGEST_OPENING.toSeconds() + " s");
        } catch (ExecutionException e) {
            throw new UnknownImage(artifact, reason(e));
        }
    }

    private static String reason(ExecutionException e) {
        var cause = e.getCause();
        return cause == null || cause.getMessage() == null ? String.valueOf(e.getMessage()) : cause.getMessage();
    }

    private void open(Digest artifact, CompletableFuture<OpenImage> result) {
        try {
            result.complete(open(artifact));
        } catch (IOException | CorruptImageException | RuntimeException e) {
            open.remove(artifact, result);
            result.completeExceptionally(e);
        }
    }

    private OpenImage open(Digest artifact) throws IOException, CorruptImageException {
        var leaving = closing.get(artifact);
        if (leaving != null) {
            leaving.join();
        }
        var stored = onDisk(artifact);
        if (stored.isEmpty()) {
            var entry = table.find(artifact);
            if (entry.isEmpty()) {
                throw new IOException("no LazyImage that this node knows publishes it");
            }
            var begun = System.nanoTime();
            stored = Optional.of(ImageFetch.fetch(images, entry.get(), access.client(entry.get())));
            LOG.info(
                    "image {} of {} was fetched in {} ms",
                    artifact,
                    entry.get().repository(),
                    TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begun));
            var fetched = stored.get();
            work.execute(() -> persist(fetched));
        }
        var entry = stored.get().entry();
        Supplier<ImageEntry> current = () -> table.find(artifact).orElse(entry);
        return OpenImage.open(stored.get(), fetcher, decoder, current, () -> access.client(current.get()), prefetches);
    }

    /** Until this is done a power failure means that the image is fetched again: no pull waits for a busy disk. */
    private static void persist(StoredImage stored) {
        try {
            stored.persist();
        } catch (IOException e) {
            LOG.debug("image {} was not written through: {}", stored.entry().artifact(), e.getMessage());
        }
    }

    /** What is on disk and sound; anything else is deleted, and fetched again. */
    private Optional<StoredImage> onDisk(Digest artifact) throws IOException {
        try {
            return StoredImage.read(images, artifact);
        } catch (IOException e) {
            LOG.error("what is on disk of image {} cannot be used and is fetched again: {}", artifact, e.getMessage());
            Folders.delete(images.resolve(artifact.hex()));
            return Optional.empty();
        }
    }

    /** Ends fetching and keeps all that is on disk. Mounts are the driver's. */
    @Override
    public void close() throws StorageFailed {
        warm.close();
        work.shutdownNow();
        open.keySet().forEach(artifact -> present(artifact).ifPresent(OpenImage::stop));
        fetcher.close();
        try {
            store.close();
        } catch (IOException e) {
            throw new StorageFailed(images, "the cache was not closed cleanly: " + e.getMessage(), false, e);
        } finally {
            decoder.close();
            work.close();
        }
    }
}
