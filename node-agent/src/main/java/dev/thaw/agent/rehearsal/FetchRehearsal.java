package dev.thaw.agent.rehearsal;

import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.fetch.FetchSettings;
import dev.thaw.agent.fetch.OnFailure;
import dev.thaw.agent.image.ImageStore;
import dev.thaw.agent.image.ImageTable;
import dev.thaw.agent.image.LearnedTraces;
import dev.thaw.agent.mount.NoMounts;
import dev.thaw.agent.registry.NamedImages;
import dev.thaw.agent.snapshot.SnapshotRecords;
import dev.thaw.agent.snapshot.SnapshotServer;
import dev.thaw.agent.snapshot.SnapshotSettings;
import dev.thaw.agent.snapshot.SnapshotWatcher;
import dev.thaw.agent.snapshot.Snapshots;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapChecker;
import dev.thaw.rafs.CorruptImageException;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;

/**
 * What an agent does between containerd's first question about an image and the first byte of it, done once in the agent itself
 * while nobody waits: so the first pull finds it loaded, linked and in part compiled. With the images of the node it shares code
 * and nothing else.
 */
public final class FetchRehearsal {
    private static final long CACHE_BYTES = 64 << 20;
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    /** What is called often enough is compiled by then. */
    private static final int ROUNDS = 5;

    /**
     * The check of a bootstrap is most of what a pull waits for, in proportion to the files of the image: an image of 25,000
     * files took 0.2 to 0.4 s where this was not done, of which it needs 0.03.
     */
    private static final int CHECKS = 30;

    private static final Duration LOOK = Duration.ofMillis(20);

    private FetchRehearsal() {}

    /**
     * Runs it.
     *
     * @param folder which is empty
     * @throws IOException when an image could not be claimed
     */
    public static void run(Path folder) throws Exception {
        var certificate = LoopbackCertificate.make();
        try (var registry = new PlayedRegistry(certificate);
                var client = new RegistryClient(
                        RegistrySettings.defaults().withAuthorities(certificate.pem()), CredentialSource.anonymous());
                var metrics = new Metrics();
                var store = new ImageStore(
                        folder,
                        table(registry, client),
                        entry -> client,
                        LearnedTraces.NONE,
                        new CacheSettings(Files.createDirectories(folder.resolve("cache")), CACHE_BYTES, 0.9, 0.5, 0),
                        fetching(),
                        new NoMounts(folder, "this is a rehearsal"),
                        metrics.registry);
                var records = SnapshotRecords.open(folder.resolve("records.db"));
                var snapshots = new Snapshots(
                        SnapshotSettings.in(folder.resolve("snapshots")),
                        records,
                        store,
                        SnapshotWatcher.NONE,
                        Clock.systemUTC());
                var server = SnapshotServer.start(folder.resolve("agent.sock"), snapshots, metrics.registry);
                var containerd = new PlayedContainerd(folder.resolve("containerd.sock"), server.socket())) {
            var images = List.of(new PlayedImage(folder, false), new PlayedImage(folder, true));
            registry.publish(images);
            for (var image : images) {
                check(image, folder);
            }
            for (int round = 0; round < ROUNDS; round++) {
                for (var image : images) {
                    if (!containerd.pull(image)) {
                        throw new IOException("image " + image.artifact() + " was not claimed");
                    }
                    awaitPrefetch(store, image.artifact());
                    if (round + 1 < ROUNDS) {
                        containerd.remove(image, false);
                    }
                }
            }
        }
    }

    private static void check(PlayedImage image, Path folder) throws IOException, CorruptImageException {
        var file = Files.write(folder.resolve("checked.boot"), image.bootstrap());
        for (int i = 0; i < CHECKS; i++) {
            try (var bootstrap = Bootstrap.open(file)) {
                BootstrapChecker.check(bootstrap);
            }
        }
        Files.delete(file);
    }

    /** The program of the image comes by itself. */
    private static void awaitPrefetch(ImageStore store, Digest artifact) throws InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (System.nanoTime() < end
                && store.states().stream()
                        .noneMatch(state -> state.artifact().equals(artifact) && state.cachedBytes() > 0)) {
            Thread.sleep(LOOK);
        }
    }

    private static ImageTable table(PlayedRegistry registry, RegistryClient client) {
        var name =
                Reference.parse("%s/%s:%s".formatted(registry.host(), PlayedRegistry.REPOSITORY, PlayedRegistry.TAG));
        return new NamedImages(List.of(name), Set.of(), client, Clock.systemUTC());
    }

    private static FetchSettings fetching() {
        return new FetchSettings(4, 1 << 20, PATIENCE, OnFailure.ERROR, 0, OptionalLong.empty(), PATIENCE);
    }

    /** Meters that nobody reads. */
    private record Metrics(SimpleMeterRegistry registry) implements AutoCloseable {
        Metrics() {
            this(new SimpleMeterRegistry());
        }

        @Override
        public void close() {
            registry.close();
        }
    }
}
