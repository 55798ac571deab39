package dev.thaw.agent.node;

import dev.thaw.agent.image.BackgroundFetch;
import dev.thaw.agent.image.ImageEntry;
import dev.thaw.agent.image.ImageTable;
import dev.thaw.agent.image.PrefetchPolicy;
import dev.thaw.node.v1.Image;
import dev.thaw.node.v1.ImageEvent;
import dev.thaw.node.v1.WatchImagesRequest;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import io.grpc.StatusException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The table of lazy images as NodeService tells it. What was heard last is kept in a file, so that a node that starts
 * while the operator is away still knows its images. A layer that names an image which is not in the table yet may be
 * ahead of the news, so {@link #find} waits a moment for the watch to be in step.
 */
public final class WatchedImages implements ImageTable, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(WatchedImages.class);
    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final Duration NEWS_DELAY = Duration.ofSeconds(2);

    private final NodeServiceConnection connection;
    private final Path file;
    private final Map<Digest, Image> images = new ConcurrentHashMap<>();
    private final CountDownLatch synced = new CountDownLatch(1);
    private final Redial redial;
    private volatile boolean inStep;

    /** @param file where the table is kept */
    public WatchedImages(NodeServiceConnection connection, Path file) throws IOException {
        this.connection = connection;
        this.file = file;
        load();
        redial = Redial.start(
                "watch-images", "the operator's images cannot be watched, the last known are used", this::follow);
    }

    @Override
    public Optional<ImageEntry> find(Digest artifact) {
        var found = images.get(artifact);
        if (found == null) {
            found = awaitNews(artifact);
        }
        return Optional.ofNullable(found).map(WatchedImages::entry);
    }

    private @Nullable Image awaitNews(Digest artifact) {
        try {
            if (!synced.await(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
                log.warn("the operator has not told its images yet: {} is not known", artifact);
            }
            long deadline = System.nanoTime() + NEWS_DELAY.toNanos();
            while (images.get(artifact) == null && System.nanoTime() < deadline) {
                Thread.sleep(50);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return images.get(artifact);
    }

    /** Whether the operator is reached now, so that the table is not merely what was heard last. */
    public boolean isInStep() {
        return inStep;
    }

    /** Follows one stream until it ends; true if it got in step. */
    private boolean follow() throws StatusException, IOException, InterruptedException {
        Set<Digest> told = new HashSet<>();
        boolean gotInStep = false;
        var stream = connection.service().watchImages(WatchImagesRequest.getDefaultInstance());
        try {
            while (stream.hasNext()) {
                var event = stream.read();
                if (event != null) {
                    apply(event, told);
                    gotInStep = inStep;
                }
            }
        } finally {
            inStep = false;
            stream.cancel("ended", null);
        }
        return gotInStep;
    }

    private void apply(ImageEvent event, Set<Digest> told) throws IOException {
        switch (event.getEventCase()) {
            case UPSERT -> {
                var digest = Digest.parse(event.getUpsert().getArtifactDigest());
                told.add(digest);
                images.put(digest, event.getUpsert());
                if (inStep) {
                    save();
                }
            }
            case REMOVED -> {
                images.remove(Digest.parse(event.getRemoved()));
                save();
            }
            case SYNCED -> {
                images.keySet().retainAll(told);
                inStep = true;
                synced.countDown();
                save();
                log.info("the operator told {} lazy images", images.size());
            }
            case EVENT_NOT_SET -> log.debug("an event of a newer operator is passed over");
        }
    }

    private void load() throws IOException {
        if (!Files.exists(file)) {
            return;
        }
        try (InputStream in = Files.newInputStream(file)) {
            for (var image = Image.parseDelimitedFrom(in); image != null; image = Image.parseDelimitedFrom(in)) {
                images.put(Digest.parse(image.getArtifactDigest()), image);
            }
        } catch (IOException | IllegalArgumentException e) {
            log.warn("{} is damaged and is passed over; the operator tells it again: {}", file, e.getMessage());
            images.clear();
        }
    }

    private void save() throws IOException {
        var part = file.resolveSibling(file.getFileName() + ".part");
        try (var out = Files.newOutputStream(part)) {
            for (var image : images.values()) {
                image.writeDelimitedTo(out);
            }
        }
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static ImageEntry entry(Image image) {
        return new ImageEntry(
                Digest.parse(image.getArtifactDigest()),
                Reference.parseRepository(image.getRegistry() + "/" + image.getRepository()),
                image.getPlainHttp(),
                switch (image.getBackgroundFetch()) {
                    case BACKGROUND_FETCH_ALWAYS -> BackgroundFetch.ALWAYS;
                    case BACKGROUND_FETCH_NEVER -> BackgroundFetch.NEVER;
                    case BACKGROUND_FETCH_AFTER_READY, BACKGROUND_FETCH_UNSPECIFIED, UNRECOGNIZED ->
                        BackgroundFetch.AFTER_READY;
                },
                switch (image.getPrefetchPolicy()) {
                    case PREFETCH_POLICY_LEARN -> PrefetchPolicy.LEARN;
                    case PREFETCH_POLICY_OFF -> PrefetchPolicy.OFF;
                    case PREFETCH_POLICY_PATHS, PREFETCH_POLICY_UNSPECIFIED, UNRECOGNIZED -> PrefetchPolicy.PATHS;
                },
                image.getPrefetchPathsList(),
                Optional.of(image.getNamespace()),
                Optional.of(image.getName()),
                digest(image.getLazyDigest()),
                digest(image.getSourceDigest()));
    }

    private static Optional<Digest> digest(String text) {
        return text.isEmpty() ? Optional.empty() : Optional.of(Digest.parse(text));
    }

    @Override
    public void close() {
        redial.close();
    }
}
