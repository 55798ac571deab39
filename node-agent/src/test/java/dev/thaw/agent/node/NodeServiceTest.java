package dev.thaw.agent.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.Timestamp;
import dev.thaw.agent.clock.ColdStart;
import dev.thaw.agent.image.ImageEntry;
import dev.thaw.agent.image.ImageTraffic.Traffic;
import dev.thaw.node.v1.BackgroundFetch;
import dev.thaw.node.v1.GetCredentialsResponse;
import dev.thaw.node.v1.Image;
import dev.thaw.node.v1.ImageEvent;
import dev.thaw.node.v1.ReportNodeRequest;
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
import java.util.Optional;
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
