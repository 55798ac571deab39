package dev.thaw.agent.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.Timestamp;
import dev.thaw.agent.clock.ColdStart;
import dev.thaw.agent.image.ImageEntry;
import dev.thaw.agent.image.ImageTraffic.Traffic;
import dev.thaw.agent.image.LearnedTraces.Learned;
import dev.thaw.agent.image.LearnedTraces.Place;
import dev.thaw.agent.image.PrefetchPolicy;
import dev.thaw.agent.image.WarmLevel;
import dev.thaw.node.v1.BackgroundFetch;
import dev.thaw.node.v1.Chunks;
import dev.thaw.node.v1.GetCredentialsResponse;
import dev.thaw.node.v1.GetTraceResponse;
import dev.thaw.node.v1.Image;
import dev.thaw.node.v1.ImageEvent;
import dev.thaw.node.v1.ReportNodeRequest;
import dev.thaw.node.v1.Warmup;
import dev.thaw.node.v1.Warmups;
import dev.thaw.oci.Credential;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NodeServiceTest {
    private static final Digest ONE = Digest.sha256(new byte[] {1});
    private static final Digest TWO = Digest.sha256(new byte[] {2});
    private static final GetCredentialsResponse SECRET = GetCredentialsResponse.newBuilder()
            .setUsername("u")
            .setPassword("p")
            .setRefreshAfter(Timestamp.newBuilder()
                    .setSeconds(Instant.now().plusSeconds(3600).getEpochSecond()))
            .build();

    @TempDir
    Path dir;

    FakeOperator operator;
    NodeServiceConnection connection;

    @BeforeEach
    void start() throws IOException {
        operator = new FakeOperator(dir);
        connection = new NodeServiceConnection(operator.address());
    }

    @AfterEach
    void end() {
        connection.close();
        operator.close();
    }

    @Test
    void followsTheOperatorsTable() throws IOException {
        operator.images.add(image(ONE));
        try (var table = new WatchedImages(connection, dir.resolve("images.pb"))) {
            var entry = table.find(ONE).orElseThrow();
            assertThat(entry.repository()).isEqualTo(Reference.parseRepository("registry.example:5000/team/app"));
            assertThat(entry.plainHttp()).isTrue();
            assertThat(entry.backgroundFetch()).isEqualTo(dev.thaw.agent.image.BackgroundFetch.NEVER);
            assertThat(entry.name()).contains("app");

            operator.tell(ImageEvent.newBuilder().setUpsert(image(TWO)).build());
            assertThat(table.find(TWO)).isPresent();

            operator.tell(ImageEvent.newBuilder().setRemoved(ONE.toString()).build());
            await().until(() -> table.find(ONE).isEmpty());
        }
    }

    @Test
    void knowsTheLastTableWhileTheOperatorIsAway() throws IOException {
        operator.images.add(image(ONE));
        try (var table = new WatchedImages(connection, dir.resolve("images.pb"))) {
            await().until(table::isInStep);
        }
        operator.goAway();
        try (var table = new WatchedImages(connection, dir.resolve("images.pb"))) {
            assertThat(table.find(ONE)).isPresent();
            assertThat(table.isInStep()).isFalse();
        }
    }

    @Test
    void forgetsWhatWasRemovedWhileItWasNotLooking() throws IOException {
        operator.images.add(image(ONE));
        operator.images.add(image(TWO));
        try (var table = new WatchedImages(connection, dir.resolve("images.pb"))) {
            await().until(table::isInStep);
            operator.goAway();
            operator.images.removeFirst();
            operator.comeBack();
            await().atMost(Duration.ofSeconds(30))
                    .until(() -> table.isInStep() && table.find(ONE).isEmpty());
            assertThat(table.find(TWO)).isPresent();
        }
    }

    @Test
    void passesOverATableFileThatIsDamaged() throws IOException {
        Files.write(dir.resolve("images.pb"), new byte[] {40, 1, 2, 3});
        operator.images.add(image(ONE));
        try (var table = new WatchedImages(connection, dir.resolve("images.pb"))) {
            assertThat(table.find(ONE)).isPresent();
        }
    }

    @Test
    void readsTheTokenAnewForEachCall() throws Exception {
        connection.service().reportNode(ReportNodeRequest.getDefaultInstance());
        Files.writeString(dir.resolve("token"), "second-token\n");
        connection.service().reportNode(ReportNodeRequest.getDefaultInstance());
        assertThat(operator.tokens).containsExactly("Bearer first-token", "Bearer second-token");
    }

    @Test
    void asksForCredentialsOnceAndGivesThemToTheImagesOwnRegistryAlone() {
        operator.credentials = Optional.of(SECRET);
        var source = connection.credentialsFor(entry(ONE), Clock.systemUTC());

        assertThat(source.credential("evil.example", "team/app")).isEmpty();
        assertThat(source.credential("registry.example:5000", "team/app")).contains(new Credential.Basic("u", "p"));
        assertThat(source.credential("registry.example:5000", "team/app")).isPresent();
        assertThat(operator.credentialCalls).hasValue(1);
    }

    @Test
    void asksAgainWhenTheRegistryRefusedWhatItHad() {
        operator.credentials = Optional.of(SECRET);
        var source = connection.credentialsFor(entry(ONE), Clock.systemUTC());
        var old = source.credential("registry.example:5000", "team/app").orElseThrow();
        operator.credentials = Optional.of(SECRET.toBuilder().setPassword("new").build());

        source.refused("registry.example:5000", "team/app", old);

        assertThat(source.credential("registry.example:5000", "team/app")).contains(new Credential.Basic("u", "new"));
    }

    @Test
    void comesWithoutCredentialsWhenTheOperatorRefusesThem() {
        var source = connection.credentialsFor(entry(ONE), Clock.systemUTC());
        assertThat(source.credential("registry.example:5000", "team/app")).isEmpty();
    }

    @Test
    void keepsColdStartsUntilTheOperatorTakesThem() throws IOException {
        operator.goAway();
        var spooled = dir.resolve("cold-starts");
        try (var spool = new ColdStartSpool(connection, spooled)) {
            spool.report(start("a"));
            await().until(() -> Files.exists(spooled.resolve("a.pb")));
        }
        operator.comeBack();
        try (var spool = new ColdStartSpool(connection, spooled)) {
            spool.report(start("b"));
            await().atMost(Duration.ofSeconds(30)).until(() -> operator.coldStarts.size() >= 2);
            assertThat(operator.coldStarts)
                    .extracting(dev.thaw.node.v1.ColdStart::getContainerId)
                    .containsExactlyInAnyOrder("a", "b");
            await().untilAsserted(() -> assertThat(spooled).isEmptyDirectory());
        }
    }

    @Test
    void asksTheOperatorHowAnImageIsRead() {
        operator.learned = GetTraceResponse.newBuilder()
                .setChunks(Chunks.newBuilder().addAllBlob(List.of(0, 1)).addAllChunk(List.of(7, 3)))
                .setLearning(true)
                .build();
        assertThat(new OperatorTraces(connection).of(ONE))
                .isEqualTo(new Learned(List.of(new Place(0, 7), new Place(1, 3)), true));
    }

    @Test
    void knowsNothingOfReadsWhileTheOperatorIsAway() {
        operator.goAway();
        assertThat(new OperatorTraces(connection).of(ONE)).isEqualTo(Learned.NOTHING);
    }

    @Test
    void holdsWhatTheOperatorWantsAndRemembersIt() {
        var file = dir.resolve("warmups.pb");
        var held = new AtomicReference<Map<Digest, WarmLevel>>();
        assertThat(WatchedWarmups.saved(file)).isEmpty();
        operator.want(warmups(ONE, dev.thaw.node.v1.WarmLevel.WARM_LEVEL_FULL));
        try (var _ = new WatchedWarmups(connection, file, held::set)) {
            await().until(() -> Map.of(ONE, WarmLevel.FULL).equals(held.get()));

            operator.want(warmups(TWO, dev.thaw.node.v1.WarmLevel.WARM_LEVEL_TRACE));
            await().until(() -> Map.of(TWO, WarmLevel.TRACE).equals(held.get()));
        }
        operator.goAway();
        assertThat(WatchedWarmups.saved(file)).isEqualTo(Map.of(TWO, WarmLevel.TRACE));
    }

    @Test
    void passesOverASetOfHeldImagesThatIsDamaged() throws IOException {
        var file = dir.resolve("warmups.pb");
        Files.write(file, new byte[] {40, 1, 2, 3});
        assertThat(WatchedWarmups.saved(file)).isEmpty();
    }

    private static Warmups warmups(Digest artifact, dev.thaw.node.v1.WarmLevel level) {
        return Warmups.newBuilder()
                .addWarmups(Warmup.newBuilder()
                        .setArtifactDigest(artifact.toString())
                        .setLevel(level))
                .build();
    }

    @Test
    void reportsTheNodeAtStartAndOnChange() {
        try (var reporter = new NodeReporter(
                connection,
                () -> ReportNodeRequest.newBuilder().setDriver("erofs").build())) {
            await().until(() -> operator.nodeReports.size() == 1);
            reporter.changed();
            await().until(() -> operator.nodeReports.size() == 2);
        }
        assertThat(operator.nodeReports.peek().getDriver()).isEqualTo("erofs");
    }

    private static Image image(Digest artifact) {
        return Image.newBuilder()
                .setArtifactDigest(artifact.toString())
                .setRegistry("registry.example:5000")
                .setRepository("team/app")
                .setPlainHttp(true)
                .setBackgroundFetch(BackgroundFetch.BACKGROUND_FETCH_NEVER)
                .setNamespace("team")
                .setName("app")
                .build();
    }

    private static ImageEntry entry(Digest artifact) {
        return new ImageEntry(
                artifact,
                Reference.parseRepository("registry.example:5000/team/app"),
                true,
                dev.thaw.agent.image.BackgroundFetch.NEVER,
                PrefetchPolicy.LEARN,
                List.of(),
                Optional.of("team"),
                Optional.of("app"),
                Optional.empty(),
                Optional.empty());
    }

    private static ColdStart start(String container) {
        return new ColdStart(
                ONE,
                container,
                "k8s.io",
                "team",
                "pod",
                "uid",
                "app",
                Optional.of(Instant.now()),
                Instant.now(),
                Instant.now(),
                Traffic.NONE,
                0,
                true);
    }
}
