package dev.thaw.agent.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.config.AgentSettings.Driver;
import dev.thaw.agent.fetch.FetchSettings;
import dev.thaw.agent.fetch.OnFailure;
import dev.thaw.agent.linux.MountTable;
import dev.thaw.agent.linux.Mounts;
import dev.thaw.agent.mount.MountDriver;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.RegistryClient;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What every driver must do: images from a registry, read through the kernel. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
abstract class MountContract {
    @TempDir
    Path temp;

    final FakeRegistry registry = FakeRegistry.start();
    private final Map<dev.thaw.oci.Digest, ImageEntry> table = new ConcurrentHashMap<>();
    private final List<AutoCloseable> open = new ArrayList<>();
    private MountDriver driver;

    abstract Driver choice();

    /** Whether images are read in place, out of layers that stay as they are. */
    boolean isInPlace() {
        return false;
    }

    @BeforeEach
    void needsRootAndFuse() {
        assumeTrue("root".equals(System.getProperty("user.name")), "mounting needs root");
        assumeTrue(Files.exists(Path.of("/dev/fuse")), "there is no /dev/fuse");
    }

    @AfterEach
    void unmountEverything() throws Exception {
        try {
            for (var opened : open.reversed()) {
                opened.close();
            }
        } finally {
            registry.close();
            Mounts.detachAll(temp);
        }
        assertThat(MountTable.read().below(temp)).isEmpty();
    }

    private ImageStore store(OnFailure onFailure, Duration readTimeout) throws Exception {
        return store("", onFailure, readTimeout, LearnedTraces.NONE);
    }

    /** @param node is appended to the names of the agent's directory and of the cache's */
    private ImageStore store(String node, OnFailure onFailure, Duration readTimeout, LearnedTraces traces)
            throws Exception {
        var meters = new SimpleMeterRegistry();
        driver = MountDriver.choose(
                choice(), temp.resolve("agent" + node), temp.resolve("holder" + node + ".sock"), meters);
        open.add(driver);
        var client = new RegistryClient(registry.settings(), CredentialSource.anonymous());
        open.add(client);
        var store = new ImageStore(
                temp.resolve("agent" + node),
                artifact -> Optional.ofNullable(table.get(artifact)),
                image -> client,
                traces,
                new CacheSettings(temp.resolve("cache" + node), 1L << 30, 0.9, 0.8),
                new FetchSettings(
                        4, 512 << 10, readTimeout, onFailure, 1, OptionalLong.empty(), Duration.ofMillis(100)),
                driver,
                meters);
        open.add(store);
        return store;
    }

    private SampleImage publish(BackgroundFetch background, String... prefetch) throws Exception {
        var image = SampleImage.publish(registry, temp.resolve("work"), background, List.of(prefetch), 1, isInPlace());
        table.put(image.artifact(), image.entry());
        return image;
    }

    @Test
    void showsTheWholeTreeAsItWasConverted() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var store = store(OnFailure.ERROR, Duration.ofSeconds(10));

        assertThat(store.claim(image.artifact())).isTrue();
        assertThat(store.layers(image.artifact())).isEqualTo(3);
        var root = store.mount(image.artifact());
        assertThat(store.mount(image.artifact())).isEqualTo(root);

        MountedTree.assertEquals(root, image);
        var traffic = store.of(image.artifact());
        assertThat(traffic.cachedBytes()).isEqualTo(traffic.totalBytes());
        assertThat(traffic.demand().bytes() + traffic.ahead().bytes()).isPositive();
        assertThat(traffic.background().bytes()).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"none-sha256", "lz4_block-blake3", "zstd-sha256"})
    void runsImagesThatNydusToolsPublished(String blob) throws Exception {
        var image = NydusToolsImage.publish(registry, temp.resolve("work"), blob, NydusToolsImage.Manifest.DOCKER);
        table.put(image.artifact(), image);
        var store = store(OnFailure.ERROR, Duration.ofSeconds(10));

        assertThat(store.claim(image.artifact())).isTrue();
        assertThat(store.layers(image.artifact())).isEqualTo(2);
        var root = store.mount(image.artifact());

        assertThat(Files.readString(root.resolve("hello.txt"))).isEqualTo("hello, world\n");
        assertThat(Files.readString(root.resolve("directory/same-numbers"))).isEqualTo(NydusToolsImage.numbers());
        assertThat(Files.readSymbolicLink(root.resolve("directory/symlink"))).hasToString("../hello.txt");
        assertThat(MountedTree.run("stat", "-c", "%a %u %g %F", root + "/empty").strip())
                .isEqualTo("644 1000 2000 regular empty file");
        try (var entries = Files.list(root.resolve("directory/sub"))) {
            assertThat(entries).hasSize(200);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"layer.tar.gz", "layer.tar"})
    void runsImagesOfLayersInPlaceThatNydusToolsPublished(String layer) throws Exception {
        var image = NydusToolsImage.publishInPlace(registry, layer);
        table.put(image.artifact(), image);
        var store = store(OnFailure.ERROR, Duration.ofSeconds(10));

        assertThat(store.claim(image.artifact())).isTrue();
        var root = store.mount(image.artifact());

        assertThat(Files.readString(root.resolve("link"))).isEqualTo("hello, world\n");
        assertThat(Files.readString(root.resolve("directory/text"))).isEqualTo(NydusToolsImage.text());
        assertThat(Files.readSymbolicLink(root.resolve("symlink"))).hasToString("directory/text");
    }

    @Test
    void fetchesOnlyWhatIsRead() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var store = store(OnFailure.ERROR, Duration.ofSeconds(10));
        var root = store.mount(image.artifact());

        assertThat(Files.readString(root.resolve("etc/passwd"))).startsWith("root:");

        var traffic = store.of(image.artifact());
        assertThat(traffic.cachedBytes()).isPositive().isLessThan(traffic.totalBytes() / 4);
    }

    @Test
    void answersRandomReadsOfManyThreads() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var store = store(OnFailure.ERROR, Duration.ofSeconds(20));
        var root = store.mount(image.artifact());
        var content = image.tree().get("data/big").content();

        try (var readers = Executors.newFixedThreadPool(6)) {
            var done = new ArrayList<Future<Boolean>>();
            for (int reader = 0; reader < 6; reader++) {
                var random = new SplittableRandom(reader);
                Callable<Boolean> reading = () -> {
                    try (var file =
                            new RandomAccessFile(root.resolve("data/big").toFile(), "r")) {
                        for (int i = 0; i < 200; i++) {
                            int offset = random.nextInt(content.length - 1);
                            var part = new byte[Math.min(random.nextInt(1, 200_000), content.length - offset)];
                            file.seek(offset);
                            file.readFully(part);
                            if (!Arrays.equals(part, Arrays.copyOfRange(content, offset, offset + part.length))) {
                                return false;
                            }
                        }
                        return true;
                    }
                };
                done.add(readers.submit(reading));
            }
            for (var result : done) {
                assertThat(result.get()).isTrue();
            }
        }
    }

    @Test
    void readsFailWithAnErrorWhenTheRegistryStaysAway() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var store = store(OnFailure.ERROR, Duration.ofMillis(500));
        var root = store.mount(image.artifact());
        Files.readAllBytes(root.resolve("etc/passwd"));
        registry.fail(Integer.MAX_VALUE, "GET", "/blobs/", 503);

        assertThatThrownBy(() -> Files.readAllBytes(root.resolve("data/big"))).isInstanceOf(IOException.class);

        // What is here can still be read, and what failed is asked for again.
        assertThat(Files.readString(root.resolve("etc/passwd"))).startsWith("root:");
    }

    @Test
    void readsWaitUntilTheRegistryComesBack() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var store = store(OnFailure.BLOCK, Duration.ofMillis(200));
        var root = store.mount(image.artifact());
        registry.fail(20, "GET", "/blobs/", 503);

        assertThat(Files.readAllBytes(root.resolve("data/big")))
                .isEqualTo(image.tree().get("data/big").content());
        assertThat(store.of(image.artifact()).waited()).isGreaterThan(Duration.ofMillis(200));
    }

    @Test
    void aCorruptChunkIsNeverServed() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var store = store(OnFailure.BLOCK, Duration.ofMillis(500));
        var root = store.mount(image.artifact());
        registry.tamper(Integer.MAX_VALUE, "/blobs/sha256:" + image.blobs().get(1));

        int refused = 0;
        for (int i = 0; i < 40; i++) {
            var name = "data/small-" + i;
            try {
                assertThat(Files.readAllBytes(root.resolve(name)))
                        .isEqualTo(image.tree().get(name).content());
            } catch (IOException e) {
                refused++;
            }
        }
        assertThat(refused).isPositive();
        assertThat(Files.readString(root.resolve("etc/passwd"))).startsWith("root:");
    }

    @Test
    void fillsTheImageInTheBackground() throws Exception {
        var image = publish(BackgroundFetch.ALWAYS);
        var store = store(OnFailure.ERROR, Duration.ofSeconds(10));

        var root = store.mount(image.artifact());

        await().atMost(30, TimeUnit.SECONDS).until(() -> {
            var traffic = store.of(image.artifact());
            return traffic.cachedBytes() == traffic.totalBytes();
        });
        registry.fail(Integer.MAX_VALUE, "GET", "/blobs/", 503);
        MountedTree.assertEquals(root, image);
    }

    @Test
    void prefetchesTheNamedPathsWhenTheImageIsClaimed() throws Exception {
        var image = publish(BackgroundFetch.NEVER, "/usr/bin/tool");
        var store = store(OnFailure.ERROR, Duration.ofSeconds(10));

        assertThat(store.claim(image.artifact())).isTrue();

        await().atMost(20, TimeUnit.SECONDS)
                .until(() -> store.of(image.artifact()).cachedBytes() >= 300_000);
        assertThat(store.of(image.artifact()).ahead().requests()).isPositive();
        assertThat(store.of(image.artifact()).demand().requests()).isZero();
    }

    /** Counted at the registry: what a process reads on the second node is there before it does. */
    @Test
    void theNextNodeReplaysWhatTheFirstOneRead() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var first = store("-1", OnFailure.ERROR, Duration.ofSeconds(30), LearnedTraces.NONE);
        assertThat(first.claim(image.artifact())).isTrue();
        startOn(first.mount(image.artifact()), image);
        var demanded = first.of(image.artifact()).demand();
        assertThat(demanded.bytes()).isPositive();
        var reads = first.recording(image.artifact()).orElseThrow().reads();
        var learned = new LearnedTraces.Learned(
                reads.stream().map(Recording.FirstRead::place).toList(), false);
        long learnedBytes =
                reads.stream().mapToLong(Recording.FirstRead::storedBytes).sum();

        var second = store("-2", OnFailure.ERROR, Duration.ofSeconds(30), artifact -> learned);
        assertThat(second.claim(image.artifact())).isTrue();
        await().atMost(60, TimeUnit.SECONDS)
                .until(() -> second.of(image.artifact()).ahead().bytes() >= learnedBytes);
        startOn(second.mount(image.artifact()), image);

        var stillDemanded = second.of(image.artifact()).demand();
        assertThat(stillDemanded.bytes())
                .as("bytes demanded on the second node, after %d on the first", demanded.bytes())
                .isLessThanOrEqualTo(demanded.bytes() / 20);
    }

    private static void startOn(Path root, SampleImage image) throws IOException {
        for (var path : List.of("etc/passwd", "usr/bin/tool", "data/small-3", "data/big", "data/small-31")) {
            assertThat(Files.readAllBytes(root.resolve(path)))
                    .isEqualTo(image.tree().get(path).content());
        }
    }

    @Test
    void aReleaseEndsReadsAndLeavesNothing() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var store = store(OnFailure.BLOCK, Duration.ofSeconds(1));
        var root = store.mount(image.artifact());
        Files.readAllBytes(root.resolve("etc/passwd"));
        registry.fail(Integer.MAX_VALUE, "GET", "/blobs/", 503);
        var reading = Thread.ofPlatform().daemon().start(() -> {
            try {
                Files.readAllBytes(root.resolve("data/big"));
            } catch (IOException e) {
                // That is how it must end.
                return;
            }
        });
        Thread.sleep(500);

        store.release(image.artifact());

        await().atMost(30, TimeUnit.SECONDS)
                .until(() -> MountTable.read().at(root).isEmpty());
        reading.join(20_000);
        assertThat(reading.isAlive()).isFalse();
        await().atMost(20, TimeUnit.SECONDS)
                .until(() -> !Files.exists(
                        temp.resolve("agent/images/" + image.artifact().hex())));
        try (var left = Files.list(temp.resolve("cache"))) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void startsAgainFromDiskWithoutTheRegistry() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var first = store(OnFailure.ERROR, Duration.ofSeconds(10));
        MountedTree.assertEquals(first.mount(image.artifact()), image);
        closeAll();
        table.clear();
        registry.fail(Integer.MAX_VALUE, "GET", "", 503);

        var second = store(OnFailure.ERROR, Duration.ofMillis(300));
        second.restore(List.of(image.artifact()));

        MountedTree.assertEquals(second.mount(image.artifact()), image);
        assertThat(second.of(image.artifact()).demand().requests()).isZero();
    }

    @Test
    void aDamagedBootstrapOnDiskIsFetchedAgain() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var first = store(OnFailure.ERROR, Duration.ofSeconds(10));
        first.mount(image.artifact());
        closeAll();
        var file = temp.resolve("agent/images/" + image.artifact().hex() + "/image.boot");
        var bytes = Files.readAllBytes(file);
        bytes[bytes.length - 200] ^= 1;
        Files.write(file, bytes);

        var second = store(OnFailure.ERROR, Duration.ofSeconds(10));
        second.restore(List.of(image.artifact()));

        MountedTree.assertEquals(second.mount(image.artifact()), image);
    }

    @Test
    void anImageThatWasReleasedCanComeBackAtOnce() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var store = store(OnFailure.ERROR, Duration.ofSeconds(10));
        for (int round = 0; round < 5; round++) {
            assertThat(store.claim(image.artifact())).isTrue();
            assertThat(Files.readString(store.mount(image.artifact()).resolve("etc/passwd")))
                    .startsWith("root:");
            store.release(image.artifact());
        }
        MountedTree.assertEquals(store.mount(image.artifact()), image);
    }

    @Test
    void restoringForgetsWhatNoSnapshotUses() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        var first = store(OnFailure.ERROR, Duration.ofSeconds(10));
        var root = first.mount(image.artifact());
        Files.readAllBytes(root.resolve("etc/passwd"));
        closeAll();

        var second = store(OnFailure.ERROR, Duration.ofSeconds(1));
        second.restore(List.of());

        assertThat(MountTable.read().at(root)).isEmpty();
        assertThat(temp.resolve("agent/images/" + image.artifact().hex())).doesNotExist();
        try (var left = Files.list(temp.resolve("cache"))) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void imagesThatShareALayerShareItsChunks() throws Exception {
        var one = publish(BackgroundFetch.NEVER);
        var other =
                SampleImage.publish(registry, temp.resolve("work"), BackgroundFetch.NEVER, List.of(), 2, isInPlace());
        table.put(other.artifact(), other.entry());
        assertThat(other.blobs().getFirst()).isEqualTo(one.blobs().getFirst());
        var store = store(OnFailure.ERROR, Duration.ofSeconds(10));
        var first = store.mount(one.artifact());
        var second = store.mount(other.artifact());
        Files.readAllBytes(first.resolve("usr/bin/tool"));
        registry.forgetRequests();

        assertThat(Files.readAllBytes(second.resolve("usr/bin/tool")))
                .isEqualTo(other.tree().get("usr/bin/tool").content());

        assertThat(registry.requests("GET", one.blobs().getFirst())).isEmpty();
        store.release(one.artifact());
        await().atMost(20, TimeUnit.SECONDS)
                .until(() -> MountTable.read().at(first).isEmpty());
        MountedTree.assertEquals(second, other);
    }

    @Test
    void doesNotClaimWhatTheTableDoesNotKnow() throws Exception {
        var image = publish(BackgroundFetch.NEVER);
        table.clear();
        var store = store(OnFailure.ERROR, Duration.ofSeconds(1));

        assertThat(store.claim(image.artifact())).isFalse();
        assertThat(registry.requests()).isEmpty();
    }

    private void closeAll() throws Exception {
        for (var opened : open.reversed()) {
            opened.close();
        }
        open.clear();
    }
}
