package dev.thaw.agent.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.clock.ColdStart;
import dev.thaw.agent.fetch.Device;
import dev.thaw.agent.fetch.FetchSettings;
import dev.thaw.agent.fetch.OnFailure;
import dev.thaw.agent.image.LearnedTraces.Learned;
import dev.thaw.agent.image.LearnedTraces.Place;
import dev.thaw.agent.learn.KeptTraces;
import dev.thaw.agent.node.FakeOperator;
import dev.thaw.agent.node.NodeServiceConnection;
import dev.thaw.agent.node.OperatorTraces;
import dev.thaw.agent.node.TraceReporter;
import dev.thaw.node.v1.GetTraceResponse;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Digest;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.RegistryClient;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What is fetched before it is read, and what is learned of reads, on a registry in memory and without a mount. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class StartPrefetchTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir
    Path temp;

    private final FakeRegistry registry = FakeRegistry.start();
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private final List<AutoCloseable> open = new ArrayList<>();

    @AfterEach
    void close() throws Exception {
        for (var opened : open.reversed()) {
            opened.close();
        }
        registry.close();
    }

    /** One node. */
    private final class Node {
        final UnmountedImages driver = new UnmountedImages();
        final ImageStore store;
        final SampleImage image;

        Node(String name, SampleImage image, PrefetchPolicy policy, LearnedTraces traces) throws Exception {
            this.image = image;
            var client = new RegistryClient(registry.settings(), CredentialSource.anonymous());
            open.add(client);
            var entry = image.entry();
            var told = new ImageEntry(
                    entry.artifact(),
                    entry.repository(),
                    entry.plainHttp(),
                    entry.backgroundFetch(),
                    policy,
                    entry.prefetchPaths(),
                    entry.namespace(),
                    entry.name(),
                    entry.lazy(),
                    entry.source());
            store = new ImageStore(
                    temp.resolve(name),
                    artifact -> Optional.of(told),
                    ignored -> client,
                    traces,
                    new CacheSettings(temp.resolve(name + "-cache"), 1L << 30, 0.9, 0.8),
                    new FetchSettings(
                            4,
                            512 << 10,
                            Duration.ofSeconds(30),
                            OnFailure.ERROR,
                            1,
                            OptionalLong.empty(),
                            Duration.ofMillis(100)),
                    driver,
                    meters);
            open.add(store);
        }

        Digest artifact() {
            return image.artifact();
        }

        Node claim() {
            assertThat(store.claim(artifact())).isTrue();
            return this;
        }

        /** A process reads whole files. */
        void read(String... paths) throws Exception {
            store.mount(artifact());
            var mounted = driver.mounted(artifact().hex());
            var bootstrap = mounted.bootstrap();
            for (var path : paths) {
                long nid = bootstrap.resolve("/" + path).orElseThrow();
                for (int i = 0; i < bootstrap.chunkCount(nid); i++) {
                    var chunk = bootstrap.fileChunk(nid, i);
                    read(mounted.devices().get(chunk.blobIndex()), chunk.deviceOffset(), chunk.lengthBytes());
                }
            }
        }

        private static void read(Device device, long offset, int length) throws Exception {
            try (var arena = Arena.ofShared()) {
                var target = arena.allocate(length);
                if (!device.readCached(offset, length, target)) {
                    device.read(offset, length, target);
                }
            }
        }

        boolean has(String path) throws Exception {
            var mounted = driver.mounted(artifact().hex());
            long nid = mounted.bootstrap().resolve("/" + path).orElseThrow();
            for (int i = 0; i < mounted.bootstrap().chunkCount(nid); i++) {
                var chunk = mounted.bootstrap().fileChunk(nid, i);
                var blob = (dev.thaw.agent.fetch.LazyBlob) mounted.devices().get(chunk.blobIndex());
                if (!blob.isCached(chunk.chunkIndex())) {
                    return false;
                }
            }
            return true;
        }

        List<Place> recorded() {
            return store.recording(artifact()).orElseThrow().reads().stream()
                    .map(Recording.FirstRead::place)
                    .toList();
        }
    }

    private SampleImage publish(String... prefetch) throws Exception {
        return SampleImage.publish(registry, temp.resolve("work"), BackgroundFetch.NEVER, List.of(prefetch));
    }

    @Test
    void theNextNodeHasWhatTheFirstOneReadBeforeItReads() throws Exception {
        var image = publish();
        var first = new Node("first", image, PrefetchPolicy.LEARN, artifact -> new Learned(List.of(), true)).claim();
        first.read("data/small-30", "data/big", "etc/passwd", "data/small-7");
        long demanded = first.store.of(image.artifact()).demand().bytes();
        assertThat(demanded).isPositive();
        assertThat(first.store.recording(image.artifact()).orElseThrow().isWanted())
                .isTrue();

        var learned = new Learned(first.recorded(), true);
        var second = new Node("second", image, PrefetchPolicy.LEARN, artifact -> learned).claim();
        second.store.mount(image.artifact());
        await().atMost(PATIENCE).until(() -> second.has("data/big") && second.has("data/small-7"));
        second.read("data/small-30", "data/big", "etc/passwd", "data/small-7");

        assertThat(second.store.of(image.artifact()).demand().requests()).isZero();
        assertThat(second.store.of(image.artifact()).demand().bytes()).isZero();
        assertThat(second.store.of(image.artifact()).ahead().bytes()).isGreaterThan(1_000_000);
        assertThat(second.recorded()).isEqualTo(first.recorded());
    }

    @Test
    void mostOfWhatWasLearnedWaitsForTheEndOfThePull() throws Exception {
        var noise = new byte[6 << 20];
        new SplittableRandom(5).nextBytes(noise);
        var image = SampleImage.publish(
                registry,
                temp.resolve("work"),
                BackgroundFetch.NEVER,
                List.of(),
                3,
                "{}",
                upper -> upper.file("data/noise", 0644, 0, 0, noise, List.of()));
        var first = new Node("first", image, PrefetchPolicy.LEARN, artifact -> new Learned(List.of(), true)).claim();
        first.read("data/noise");
        var learned = new Learned(first.recorded(), true);
        var second = new Node("second", image, PrefetchPolicy.LEARN, artifact -> learned).claim();

        await().atMost(PATIENCE).until(() -> second.store.of(image.artifact()).cachedBytes() >= 2 << 20);
        assertThat(second.store.of(image.artifact()).cachedBytes()).isLessThan(4 << 20);

        second.store.mount(image.artifact());
        await().atMost(PATIENCE).until(() -> second.has("data/noise"));
    }

    @Test
    void learnsThroughTheOperator() throws Exception {
        var image = publish();
        var operator = new FakeOperator(Files.createDirectories(temp.resolve("operator")));
        open.add(operator);
        operator.learned = GetTraceResponse.newBuilder().setLearning(true).build();
        var connection = new NodeServiceConnection(operator.address());
        open.add(connection);
        var first = new Node("first", image, PrefetchPolicy.LEARN, new OperatorTraces(connection)).claim();
        first.read("data/small-30", "usr/bin/tool");
        await().atMost(PATIENCE)
                .until(() ->
                        first.store.recording(image.artifact()).orElseThrow().isWanted());
        var follower = Executors.newSingleThreadExecutor();
        var reporter = new TraceReporter(
                connection, first.store::recording, List.of(Duration.ZERO, Duration.ZERO, Duration.ZERO), follower);
        open.add(reporter);
        operator.wantedTraces = 2;

        reporter.started(start(image.artifact()));
        // a container that starts while the first one's start is known has no part in it
        reporter.started(start(image.artifact()));

        follower.submit(() -> {}).get();
        assertThat(operator.traces).hasSize(2);
        var report = operator.traces.element();
        assertThat(report.hasTaken()).isTrue();
        assertThat(report.getPodName()).isEqualTo("pod");
        assertThat(report.getTrace().getAfterMillisCount())
                .isEqualTo(report.getTrace().getChunks().getChunkCount());
        operator.learned = GetTraceResponse.newBuilder()
                .setChunks(report.getTrace().getChunks())
                .build();
        var second = new Node("second", image, PrefetchPolicy.LEARN, new OperatorTraces(connection)).claim();
        second.store.mount(image.artifact());
        await().atMost(PATIENCE).until(() -> second.has("data/small-30") && second.has("usr/bin/tool"));
        assertThat(second.has("data/big")).isFalse();
        // The operator has learned enough: it does not want to be told of this start.
        assertThat(second.store.recording(image.artifact()).orElseThrow().isWanted())
                .isFalse();
    }

    @Test
    void learnsOfItsOwnStartsWithoutAnOperator() throws Exception {
        var image = publish();
        var folder = temp.resolve("traces");
        var over = new KeptTraces.Over(Duration.ofMillis(50), Duration.ofMinutes(1));
        var recordings = new AtomicReference<Function<Digest, Optional<Recording>>>();
        var traces = new KeptTraces(folder, artifact -> recordings.get().apply(artifact), over);
        open.add(traces);
        var first = new Node("first", image, PrefetchPolicy.LEARN, traces).claim();
        recordings.set(first.store::recording);
        first.read("data/small-30", "usr/bin/tool");
        await().atMost(PATIENCE)
                .until(() ->
                        first.store.recording(image.artifact()).orElseThrow().isWanted());

        traces.started(start(image.artifact()));

        await().atMost(PATIENCE).until(() -> !traces.of(image.artifact()).learning());
        assertThat(traces.of(image.artifact()).chunks()).isEqualTo(first.recorded());
        var elsewhere = new KeptTraces(folder, artifact -> Optional.empty(), over);
        open.add(elsewhere);
        var second = new Node("second", image, PrefetchPolicy.LEARN, elsewhere).claim();
        second.store.mount(image.artifact());
        await().atMost(PATIENCE).until(() -> second.has("data/small-30") && second.has("usr/bin/tool"));
        assertThat(second.has("data/big")).isFalse();

        // a damaged file is no trace, and the next start is learned
        Files.writeString(folder.resolve(image.artifact().hex() + ".pb"), "none");
        assertThat(traces.of(image.artifact())).isEqualTo(new Learned(List.of(), true));
    }

    private static ColdStart start(Digest artifact) {
        return new ColdStart(
                artifact,
                "container",
                "k8s.io",
                "team",
                "pod",
                "uid",
                "app",
                Optional.empty(),
                Instant.now(),
                Instant.now(),
                ImageTraffic.Traffic.NONE,
                0,
                true);
    }

    @Test
    void recordsEachChunkOnceInTheOrderOfFirstReads() throws Exception {
        var node = new Node("n", publish(), PrefetchPolicy.LEARN, LearnedTraces.NONE).claim();

        node.read("data/small-39", "usr/bin/tool", "data/small-39");

        var reads = node.store.recording(node.artifact()).orElseThrow().reads();
        assertThat(reads).extracting(Recording.FirstRead::place).doesNotHaveDuplicates();
        assertThat(reads.getLast().place().blob())
                .isNotEqualTo(reads.getFirst().place().blob());
        assertThat(reads).extracting(Recording.FirstRead::afterMillis).isSorted();
        assertThat(reads).allSatisfy(read -> assertThat(read.storedBytes()).isPositive());
    }

    @Test
    void recordsOnlyImagesThatWereClaimed() throws Exception {
        var node = new Node("n", publish(), PrefetchPolicy.LEARN, LearnedTraces.NONE);
        node.read("etc/passwd");
        assertThat(node.store.recording(node.artifact())).isEmpty();
    }

    @Test
    void countsWhatWasPrefetchedInVain() throws Exception {
        var image = publish("/usr/bin/tool", "/data/small-9");
        var node = new Node("n", image, PrefetchPolicy.PATHS, LearnedTraces.NONE).claim();
        node.store.mount(image.artifact());
        await().atMost(PATIENCE).until(() -> node.has("usr/bin/tool") && node.has("data/small-9"));
        node.read("data/small-9", "etc/passwd");

        var prefetched = node.store.recording(image.artifact()).orElseThrow().prefetched();
        assertThat(prefetched.used()).isPositive().isLessThan(prefetched.bytes());

        node.store.release(image.artifact());
        await().atMost(PATIENCE)
                .until(() -> meters.get("thaw.prefetch")
                                .tag("outcome", "unused")
                                .counter()
                                .count()
                        == prefetched.bytes() - prefetched.used());
        assertThat(meters.get("thaw.prefetch").tag("outcome", "used").counter().count())
                .isEqualTo(prefetched.used());
    }

    @Test
    void fetchesNothingUnaskedWhenPrefetchIsOff() throws Exception {
        var image = publish("/usr/bin/tool");
        var asked = new ArrayList<Digest>();
        LearnedTraces traces = artifact -> {
            asked.add(artifact);
            return Learned.NOTHING;
        };
        var node = new Node("n", image, PrefetchPolicy.OFF, traces).claim();
        node.read("data/small-3");
        node.store.release(image.artifact()); // ends what would be under way
        await().atMost(PATIENCE).until(() -> node.store.of(image.artifact()).totalBytes() == 0);

        assertThat(asked).isEmpty();
        assertThat(registry.requests("GET", "/blobs/sha256:" + image.blobs().getFirst()))
                .isEmpty();
    }

    @Test
    void asksForNoTraceWhereOnlyPathsAreWanted() throws Exception {
        var image = publish("/usr/bin/tool");
        var asked = new ArrayList<Digest>();
        LearnedTraces traces = artifact -> {
            asked.add(artifact);
            return Learned.NOTHING;
        };
        var node = new Node("n", image, PrefetchPolicy.PATHS, traces).claim();
        node.store.mount(image.artifact());
        await().atMost(PATIENCE).until(() -> node.has("usr/bin/tool"));
        assertThat(asked).isEmpty();
        assertThat(node.store.recording(image.artifact()).orElseThrow().isWanted())
                .isFalse();
    }

    @Test
    void passesOverPlacesThatTheImageDoesNotHave() throws Exception {
        var image = publish();
        var learned = new Learned(
                List.of(
                        new Place(9, 0),
                        new Place(1, 1 << 20),
                        new Place(-1, 3),
                        new Place(0, -3),
                        new Place(1, 0),
                        new Place(0, 0)),
                false);
        var node = new Node("n", image, PrefetchPolicy.LEARN, artifact -> learned).claim();
        node.store.mount(image.artifact());
        await().atMost(PATIENCE)
                .until(() -> node.store.of(image.artifact()).ahead().requests() > 0);
        assertThat(node.store.of(image.artifact()).demand().requests()).isZero();
    }

    @Test
    void bringsTheEntrypointWithAllThatItsLoaderReads() throws Exception {
        var configuration = """
                {"config":{"Entrypoint":["serve"],"Env":["PATH=/nowhere:/opt/app/bin"]}}""";
        var image = SampleImage.publish(
                registry, temp.resolve("work"), BackgroundFetch.NEVER, List.of(), 5, configuration, upper -> {
                    for (var folder :
                            List.of("opt", "opt/app", "opt/app/bin", "opt/app/lib", "lib64", "usr/lib", "far")) {
                        upper.directory(folder, 0755);
                    }
                    upper.file(
                            "opt/app/bin/serve", 0755, 0, 0, "#!/usr/bin/env -S python3 -u\nx".getBytes(), List.of());
                    upper.file("usr/bin/env", 0755, 0, 0, padded(1, ProgramImage.elf("", List.of(), "")), List.of());
                    upper.symlink("opt/app/bin/python3", "../lib/python");
                    upper.file(
                            "opt/app/lib/python",
                            0755,
                            0,
                            0,
                            padded(
                                    2,
                                    ProgramImage.elf(
                                            "/lib64/loader.so",
                                            List.of("libown.so", "libcached.so"),
                                            "$ORIGIN/../lib")),
                            List.of());
                    upper.file(
                            "lib64/loader.so", 0755, 0, 0, padded(3, ProgramImage.elf("", List.of(), "")), List.of());
                    upper.file(
                            "opt/app/lib/libown.so",
                            0755,
                            0,
                            0,
                            padded(4, ProgramImage.elf("", List.of("libdeep.so"), "")),
                            List.of());
                    upper.file(
                            "far/libcached.so", 0755, 0, 0, padded(5, ProgramImage.elf("", List.of(), "")), List.of());
                    upper.file(
                            "usr/lib/libdeep.so",
                            0755,
                            0,
                            0,
                            padded(6, ProgramImage.elf("", List.of(), "")),
                            List.of());
                    upper.file(
                            "usr/lib/libother.so",
                            0755,
                            0,
                            0,
                            padded(7, ProgramImage.elf("", List.of(), "")),
                            List.of());
                    upper.file(
                            "etc/ld.so.cache",
                            0644,
                            0,
                            0,
                            ProgramImage.loaderCache("libcached.so", "/far/libcached.so"),
                            List.of());
                });
        var node = new Node("n", image, PrefetchPolicy.LEARN, LearnedTraces.NONE).claim();
        node.store.mount(image.artifact());

        var wanted = List.of(
                "etc/passwd",
                "opt/app/bin/serve",
                "usr/bin/env",
                "opt/app/lib/python",
                "lib64/loader.so",
                "opt/app/lib/libown.so",
                "far/libcached.so",
                "usr/lib/libdeep.so");
        await().atMost(PATIENCE).untilAsserted(() -> {
            var missing = new TreeSet<String>();
            for (var path : wanted) {
                if (!node.has(path)) {
                    missing.add(path);
                }
            }
            assertThat(missing).isEmpty();
        });
        assertThat(node.has("usr/lib/libother.so")).isFalse();
        assertThat(node.store.of(image.artifact()).demand().requests()).isZero();
        assertThat(node.recorded()).isEmpty();
    }

    @Test
    void holdsAWarmImageThatNoContainerUses() throws Exception {
        var image = publish();
        var node = new Node("n", image, PrefetchPolicy.LEARN, LearnedTraces.NONE);
        node.store.restore(List.of());

        assertThat(node.store.hold(Map.of(image.artifact(), WarmLevel.FULL))).isEmpty();

        awaitWarm(node, WarmLevel.FULL);
        var traffic = node.store.of(image.artifact());
        assertThat(traffic.cachedBytes()).isEqualTo(traffic.totalBytes());
        assertThat(traffic.demand().requests()).isZero();
        registry.fail(Integer.MAX_VALUE, "GET", "", 503);
        node.claim();
        node.read("data/big", "usr/bin/tool");

        // The last container goes: what is held stays.
        node.store.release(image.artifact());
        await().atMost(PATIENCE)
                .until(() -> !node.driver.isMounted(image.artifact().hex()));
        awaitWarm(node, WarmLevel.FULL);
        node.claim();
        node.read("data/big");

        assertThat(node.store.hold(Map.of())).containsExactly(image.artifact());
        node.store.release(image.artifact());
        await().atMost(PATIENCE).until(() -> node.store.states().isEmpty());
    }

    @Test
    void keepsWhatItHoldsThroughARestartWithoutRegistryOrOperator() throws Exception {
        var image = publish();
        var first = new Node("n", image, PrefetchPolicy.LEARN, LearnedTraces.NONE);
        first.store.restore(List.of());
        first.store.hold(Map.of(image.artifact(), WarmLevel.FULL));
        awaitWarm(first, WarmLevel.FULL);
        first.store.close();
        open.remove(first.store);
        registry.fail(Integer.MAX_VALUE, "GET", "", 503);

        var second = new Node("n", image, PrefetchPolicy.LEARN, LearnedTraces.NONE);
        second.store.hold(Map.of(image.artifact(), WarmLevel.FULL));
        second.store.restore(List.of());

        awaitWarm(second, WarmLevel.FULL);
        second.claim();
        second.read("data/big");
    }

    @Test
    void bringsTheTraceForAWarmImage() throws Exception {
        var image = publish();
        var first = new Node("first", image, PrefetchPolicy.LEARN, LearnedTraces.NONE).claim();
        first.read("data/small-30", "usr/bin/tool");
        var learned = new Learned(first.recorded(), false);
        var second = new Node("second", image, PrefetchPolicy.LEARN, artifact -> learned);
        second.store.restore(List.of());

        second.store.hold(Map.of(image.artifact(), WarmLevel.TRACE));

        awaitWarm(second, WarmLevel.TRACE);
        second.store.mount(image.artifact());
        assertThat(second.has("data/small-30")).isTrue();
        assertThat(second.has("usr/bin/tool")).isTrue();
        assertThat(second.has("data/big")).isFalse();
    }

    @Test
    void saysWhyAnImageIsNotWarmAndGoesOnTrying() throws Exception {
        var image = publish();
        var node = new Node("n", image, PrefetchPolicy.LEARN, LearnedTraces.NONE);
        node.store.restore(List.of());
        registry.fail(Integer.MAX_VALUE, "GET", "", 503);
        node.store.hold(Map.of(image.artifact(), WarmLevel.METADATA));

        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(node.store.states())
                        .singleElement()
                        .satisfies(state -> {
                            assertThat(state.warmError()).isNotEmpty();
                            assertThat(state.warm()).isEmpty();
                        }));
        registry.heal();
        awaitWarm(node, WarmLevel.METADATA);
        assertThat(node.store.of(image.artifact()).cachedBytes()).isZero();
    }

    private static void awaitWarm(Node node, WarmLevel level) {
        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(node.store.states())
                        .singleElement()
                        .satisfies(state -> {
                            assertThat(state.warm()).contains(level);
                            assertThat(state.warmError()).isEmpty();
                        }));
    }

    /** Large enough to have chunks of its own, which no other file has. */
    private static byte[] padded(long seed, byte[] content) {
        var padded = new byte[2 * SampleImage.CHUNK_BYTES];
        new SplittableRandom(seed).nextBytes(padded);
        System.arraycopy(content, 0, padded, 0, content.length);
        return padded;
    }
}
