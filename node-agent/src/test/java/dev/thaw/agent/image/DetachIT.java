package dev.thaw.agent.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.config.AgentSettings.Driver;
import dev.thaw.agent.fetch.FetchSettings;
import dev.thaw.agent.fetch.OnFailure;
import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.MountTable;
import dev.thaw.agent.linux.Mounts;
import dev.thaw.agent.mount.MountDriver;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.RegistryClient;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Complete images are read without the agent, and nothing that it does hurts their readers. */
@Timeout(value = 180, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class DetachIT {
    private static final long MEBIBYTE = 1 << 20;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir
    Path temp;

    private final FakeRegistry registry = FakeRegistry.start();
    private final List<AutoCloseable> open = new ArrayList<>();
    private final List<SampleImage> known = new ArrayList<>();
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private SampleImage image;

    @BeforeEach
    void start() throws Exception {
        assumeTrue("root".equals(System.getProperty("user.name")), "mounting needs root");
        assumeTrue(Files.exists(Path.of("/dev/fuse")), "there is no /dev/fuse");
        image = publish(1);
    }

    private SampleImage publish(long seed) throws Exception {
        var published =
                SampleImage.publish(registry, temp.resolve("work"), BackgroundFetch.NEVER, List.of(), seed, false);
        known.add(published);
        return published;
    }

    @AfterEach
    void unmountEverything() throws Exception {
        end();
        registry.close();
        Mounts.detachAll(temp);
        assertThat(MountTable.read().below(temp)).isEmpty();
    }

    /** Ends the agent. There is no holder, so what it serves ends with it. */
    private void end() throws Exception {
        for (var opened : open.reversed()) {
            opened.close();
        }
        open.clear();
    }

    private ImageStore begin(long cacheBytes) throws Exception {
        var driver = MountDriver.choose(Driver.Erofs, temp.resolve("agent"), temp.resolve("holder.sock"), meters);
        open.add(driver);
        var client = new RegistryClient(registry.settings(), CredentialSource.anonymous());
        open.add(client);
        var store = new ImageStore(
                temp.resolve("agent"),
                artifact -> known.stream()
                        .filter(sample -> sample.artifact().equals(artifact))
                        .map(SampleImage::entry)
                        .findFirst(),
                entry -> client,
                LearnedTraces.NONE,
                new CacheSettings(temp.resolve("cache"), cacheBytes, 0.9, 0.5),
                new FetchSettings(
                        4,
                        512 << 10,
                        Duration.ofSeconds(20),
                        OnFailure.ERROR,
                        1,
                        OptionalLong.empty(),
                        Duration.ofMillis(100)),
                driver,
                meters);
        open.add(store);
        return store;
    }

    private static void readAll(Path root, SampleImage image) throws Exception {
        Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "3");
        MountedTree.assertEquals(root, image);
    }

    private Path detached(SampleImage image) {
        return temp.resolve("agent/detached/" + image.artifact().hex());
    }

    /** What containerd does with a prepared root. */
    private Path container(Path root) throws IOException {
        var merged = Files.createDirectories(temp.resolve("container/merged"));
        Libc.mount(
                "overlay",
                merged,
                "overlay",
                0,
                "index=off,lowerdir=%s,upperdir=%s,workdir=%s"
                        .formatted(
                                root,
                                Files.createDirectories(temp.resolve("container/upper")),
                                Files.createDirectories(temp.resolve("container/work"))));
        return merged;
    }

    @Test
    void onlyContainersThatReadThroughTheAgentAreCountedAsAttached() throws Exception {
        var store = begin(64 * MEBIBYTE);
        var early = container(store.mount(image.artifact()));
        assertThat(store.states()).extracting(ImageState::attached).containsExactly(1);
        readAll(early, image);
        Mounts.unmount(early);
        assertThat(store.states()).extracting(ImageState::attached).containsExactly(0);

        container(store.mount(image.artifact()));

        assertThat(store.states()).extracting(ImageState::attached).containsExactly(0);
    }

    /** Reads other images until chunks must go. */
    private void press(ImageStore store) throws Exception {
        var evicted = meters.get("thaw.cache.evicted").counter();
        double before = evicted.count();
        while (evicted.count() == before) {
            var other = publish(known.size() + 1);
            readAll(store.mount(other.artifact()), other);
        }
    }

    @Test
    void containersThatStartOnceTheImageIsCompleteReadItWithoutTheAgent() throws Exception {
        var store = begin(64 * MEBIBYTE);
        var early = store.mount(image.artifact());
        assertThat(store.mount(image.artifact())).isEqualTo(early);
        readAll(early, image);

        var late = store.mount(image.artifact());

        assertThat(late).isEqualTo(detached(image)).isNotEqualTo(early);
        assertThat(meters.get("thaw.images.detached").gauge().value()).isEqualTo(1);
        readAll(early, image);
        end();
        assertThat(MountTable.read().at(early)).isEmpty();
        readAll(late, image);
    }

    private static final Path BACKING_DEVICES = Path.of("/sys/class/bdi");

    private static List<Path> backingDevices() throws IOException {
        try (var found = Files.list(BACKING_DEVICES)) {
            return found.filter(device -> device.getFileName().toString().startsWith("erofs-"))
                    .toList();
        }
    }

    private static int readAheadKib(Path device) throws IOException {
        return Integer.parseInt(
                Files.readString(device.resolve("read_ahead_kb")).strip());
    }

    @Test
    void theKernelReadsAheadAsFarAsOnTheDiskForAsLongAsTheImageIsComplete() throws Exception {
        var before = backingDevices();
        var store = begin(16 * MEBIBYTE);
        var attached = store.mount(image.artifact());
        var device = backingDevices().stream()
                .filter(found -> !before.contains(found))
                .findFirst()
                .orElseThrow();
        int narrow = readAheadKib(device);
        // wherever it is set, and not only where it was
        Files.writeString(device.resolve("read_ahead_kb"), "64");
        await().atMost(PATIENCE).until(() -> readAheadKib(device) == narrow);

        readAll(attached, image);
        assertThat(store.mount(image.artifact())).isEqualTo(detached(image));
        int disk = backingDevices().stream()
                .filter(found -> !before.contains(found) && !found.equals(device))
                .mapToInt(found -> assertDoesNotThrow(() -> readAheadKib(found)))
                .findFirst()
                .orElseThrow();

        await().atMost(PATIENCE).until(() -> readAheadKib(device) == Math.max(narrow, disk));
        store.idle(image.artifact());
        await().atMost(PATIENCE).until(() -> {
            press(store);
            var traffic = store.of(image.artifact());
            return traffic.cachedBytes() < traffic.totalBytes();
        });
        await().atMost(PATIENCE).until(() -> readAheadKib(device) == narrow);
    }

    @Test
    void evictionTakesNothingFromWhatContainersReadWithoutTheAgent() throws Exception {
        var store = begin(16 * MEBIBYTE);
        readAll(store.mount(image.artifact()), image);
        var root = store.mount(image.artifact());
        assertThat(root).isEqualTo(detached(image));

        press(store);

        readAll(root, image);
        var traffic = store.of(image.artifact());
        assertThat(traffic.cachedBytes()).isEqualTo(traffic.totalBytes());
    }

    @Test
    void anAgentThatStartsAgainUnderPressureTakesNothingFromThemEither() throws Exception {
        var store = begin(64 * MEBIBYTE);
        readAll(store.mount(image.artifact()), image);
        var container = container(store.mount(image.artifact()));
        end();
        // Out of sight, as after a botched clean-up: the container still stands on it.
        Mounts.detachAll(detached(image));

        var next = begin(5 * MEBIBYTE);
        next.restore(List.of(image.artifact()));
        press(next);

        readAll(container, image);
    }

    @Test
    void theChunksMayGoOnceTheLastContainerHasGone() throws Exception {
        var store = begin(16 * MEBIBYTE);
        readAll(store.mount(image.artifact()), image);
        var container = container(store.mount(image.artifact()));

        store.idle(image.artifact());

        assertThat(MountTable.read().at(detached(image))).isEmpty();
        // Somebody was wrong: the container is there.
        press(store);
        readAll(container, image);
        Mounts.unmount(container);
        await().atMost(PATIENCE).untilAsserted(() -> {
            press(store);
            assertThat(store.of(image.artifact()).cachedBytes())
                    .isLessThan(store.of(image.artifact()).totalBytes());
        });
        assertThat(store.mount(image.artifact())).isNotEqualTo(detached(image));
    }

    @Test
    void aMountThatAnEarlierAgentDetachedIsUsedAgain() throws Exception {
        var store = begin(64 * MEBIBYTE);
        readAll(store.mount(image.artifact()), image);
        var root = store.mount(image.artifact());
        end();
        registry.fail(Integer.MAX_VALUE, "GET", "", 503);

        var next = begin(64 * MEBIBYTE);
        next.restore(List.of(image.artifact()));

        assertThat(next.mount(image.artifact())).isEqualTo(root);
        readAll(root, image);
    }

    @Test
    void afterARebootACompleteImageIsComparedAndDetachedAgain() throws Exception {
        var store = begin(64 * MEBIBYTE);
        readAll(store.mount(image.artifact()), image);
        store.mount(image.artifact());
        end();
        Mounts.detachAll(temp.resolve("agent"));
        registry.fail(Integer.MAX_VALUE, "GET", "", 503);

        var next = begin(64 * MEBIBYTE);
        next.restore(List.of(image.artifact()));

        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(next.mount(image.artifact())).isEqualTo(detached(image)));
        readAll(detached(image), image);
    }

    @Test
    void anImageThatIsReleasedIsNoLongerMountedInAnyWay() throws Exception {
        var store = begin(64 * MEBIBYTE);
        readAll(store.mount(image.artifact()), image);
        store.mount(image.artifact());

        store.release(image.artifact());

        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(MountTable.read().below(temp.resolve("agent")).stream()
                                .map(mount -> mount.point())
                                .toList())
                        .containsExactly(temp.resolve("agent/devices")));
        await().atMost(PATIENCE).untilAsserted(() -> {
            try (var left = Files.list(temp.resolve("cache"))) {
                assertThat(left).isEmpty();
            }
        });
    }
}
