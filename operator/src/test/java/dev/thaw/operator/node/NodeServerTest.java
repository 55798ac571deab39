package dev.thaw.operator.node;

import static dev.thaw.operator.node.LazyImages.digest;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.Timestamp;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.PrefetchPolicy;
import dev.thaw.crds.WarmupLevel;
import dev.thaw.node.v1.Chunks;
import dev.thaw.node.v1.ColdStart;
import dev.thaw.node.v1.GetCredentialsRequest;
import dev.thaw.node.v1.GetCredentialsResponse;
import dev.thaw.node.v1.GetTraceRequest;
import dev.thaw.node.v1.GetTraceResponse;
import dev.thaw.node.v1.ImageEvent;
import dev.thaw.node.v1.NodeImage;
import dev.thaw.node.v1.NodeServiceGrpc;
import dev.thaw.node.v1.ReportColdStartsRequest;
import dev.thaw.node.v1.ReportNodeRequest;
import dev.thaw.node.v1.Warmup;
import dev.thaw.node.v1.WatchImagesRequest;
import dev.thaw.node.v1.WatchWarmupsRequest;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.Probe;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.grpc.ClientInterceptor;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.TlsServerCredentials;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The server over TLS on a loopback port, against a fake API server; tokens are of the form {@code agent-of-NODE}. */
@EnableKubernetesMockClient(crud = true)
class NodeServerTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final String AGENT = "agent-of-";

    KubernetesClient client;
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private final HeldCertificate certificate =
            new HeldCertificate.Builder().addSubjectAlternativeName("localhost").build();
    private NodeServer server;
    private ManagedChannel channel;

    @BeforeEach
    void start() throws IOException {
        var settings = new NodeServerSettings(
                0, "thaw.dev", "thaw-system", "thaw-node-service", "thaw-node-agent", Set.of(), List.of());
        var key = new HandshakeCertificates.Builder()
                .heldCertificate(certificate)
                .build()
                .keyManager();
        server = new NodeServer(
                client,
                settings,
                TlsServerCredentials.newBuilder().keyManager(key).build(),
                NodeServerTest::caller,
                meters,
                Clock.systemUTC());
        server.start();
        var trust = new ByteArrayInputStream(certificate.certificatePem().getBytes(StandardCharsets.US_ASCII));
        channel = NettyChannelBuilder.forAddress(
                        "localhost",
                        server.port(),
                        TlsChannelCredentials.newBuilder().trustManager(trust).build())
                .build();
    }

    @AfterEach
    void stop() {
        channel.shutdownNow();
        server.close();
    }

    @Test
    void streamsTheImagesThatAreAndThenEachChange() {
        client.resource(image("team", "app")).create();
        var told = new CopyOnWriteArrayList<ImageEvent>();
        NodeServiceGrpc.newStub(channel)
                .withInterceptors(token("node-1"))
                .watchImages(WatchImagesRequest.getDefaultInstance(), collect(told));

        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(told)
                        .extracting(ImageEvent::getEventCase)
                        .contains(ImageEvent.EventCase.UPSERT, ImageEvent.EventCase.SYNCED));

        client.resources(LazyImage.class).inNamespace("team").withName("app").delete();
        await().atMost(PATIENCE)
                .untilAsserted(() ->
                        assertThat(told).extracting(ImageEvent::getRemoved).contains(digest('b')));
    }

    @Test
    void givesCredentialsToTheNodeWhosePodsUseTheImage() {
        secret("team");
        client.resource(image("team", "app")).create();
        pod("team", "user", "node-1", "registry.example/team/app@" + digest('a'));
        awaitImage();

        var response = credentials("node-1");
        assertThat(response.getUsername()).isEqualTo("reader");
        assertThat(response.getPassword()).isEqualTo("secret of team");
        assertThat(response.getRefreshAfter().getSeconds())
                .isGreaterThan(Instant.now().getEpochSecond());
    }

    @Test
    void refusesCredentialsToANodeThatHasNoSuchPod() {
        secret("team");
        client.resource(image("team", "app")).create();
        pod("team", "elsewhere", "node-2", "registry.example/team/app@" + digest('a'));
        pod("team", "other", "node-1", "registry.example/team/other:1");
        pod("team", "source", "node-1", "registry.example/team/app:1");
        awaitImage();

        assertThatThrownBy(() -> credentials("node-1"))
                .isInstanceOfSatisfying(
                        StatusRuntimeException.class,
                        e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.PERMISSION_DENIED));
    }

    @Test
    void letsNoOtherNamespaceProfitFromTheSecretsOfAnImage() {
        secret("team");
        client.resource(image("team", "app")).create();
        pod("stranger", "copy", "node-1", "registry.example/team/app@" + digest('a'));
        awaitImage();

        assertThatThrownBy(() -> credentials("node-1"))
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessageContaining("PERMISSION_DENIED");
    }

    @Test
    void takesTheSecretsOfThatNamespaceWhosePodUsesTheImage() {
        secret("team");
        secret("zoo");
        client.resource(image("team", "app")).create();
        client.resource(image("zoo", "app")).create();
        pod("zoo", "user", "node-1", "registry.example/team/app@" + digest('f'));
        awaitImage();

        await().atMost(PATIENCE)
                .ignoreException(StatusRuntimeException.class)
                .untilAsserted(
                        () -> assertThat(credentials("node-1").getPassword()).isEqualTo("secret of zoo"));
    }

    @Test
    void knowsNoCredentialsOfAnUnknownImage() {
        assertThatThrownBy(() -> credentials("node-1")).hasMessageContaining("NOT_FOUND");
    }

    @Test
    void letsInNobodyWithoutAToken() {
        assertThatThrownBy(() ->
                        NodeServiceGrpc.newBlockingStub(channel).reportNode(ReportNodeRequest.getDefaultInstance()))
                .hasMessageContaining("UNAUTHENTICATED");
        assertThatThrownBy(() -> NodeServiceGrpc.newBlockingStub(channel)
                        .withInterceptors(header("Bearer forged"))
                        .reportNode(ReportNodeRequest.getDefaultInstance()))
                .hasMessageContaining("UNAUTHENTICATED");
        assertThat(server.reports().all()).isEmpty();
        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(meters.get("thaw.node.calls")
                                .tag("method", "ReportNode")
                                .tag("code", "UNAUTHENTICATED")
                                .counter()
                                .count())
                        .isEqualTo(2));
    }

    @Test
    void takesTheNodeFromTheTokenAndNotFromTheMessage() {
        blocking("node-7")
                .reportNode(ReportNodeRequest.newBuilder()
                        .setAgentVersion("1.0")
                        .setDriver("erofs")
                        .setDriverReason("the configuration says so")
                        .addImages(NodeImage.newBuilder()
                                .setArtifactDigest(digest('b'))
                                .setCachedBytes(1)
                                .setTotalBytes(2))
                        .addProblems("x".repeat(10_000))
                        .build());
        assertThat(server.reports().of("node-7")).get().satisfies(report -> {
            assertThat(report.pod()).isEqualTo("agent-pod");
            assertThat(report.driver()).isEqualTo("erofs");
            assertThat(report.driverReason()).isEqualTo("the configuration says so");
            assertThat(report.images()).hasSize(1);
            assertThat(report.problems().getFirst()).hasSizeLessThanOrEqualTo(500);
            assertThat(report.isFresh(Instant.now())).isTrue();
        });
    }

    @Test
    void tellsANodeWhatToHoldOnceItHasReportedAndGivesItTheCredentials() {
        secret("team");
        client.resource(new NodeBuilder()
                        .withNewMetadata()
                        .withName("node-1")
                        .addToLabels("pool", "gpu")
                        .endMetadata()
                        .withNewStatus()
                        .withNewNodeInfo()
                        .withOperatingSystem("linux")
                        .withArchitecture("amd64")
                        .endNodeInfo()
                        .endStatus()
                        .build())
                .create();
        var image = image("team", "app");
        image.setSpec(image.getSpec().toBuilder()
                .warmup(new LazyImageSpec.Warmup(Map.of("pool", "gpu"), WarmupLevel.FULL, 1))
                .build());
        client.resource(image).create();
        awaitImage();
        var told = new CopyOnWriteArrayList<dev.thaw.node.v1.Warmups>();
        NodeServiceGrpc.newStub(channel)
                .withInterceptors(token("node-1"))
                .watchWarmups(WatchWarmupsRequest.getDefaultInstance(), collect(told));
        assertThatThrownBy(() -> credentials("node-1")).hasMessageContaining("PERMISSION_DENIED");

        var _ = blocking("node-1").reportNode(ReportNodeRequest.getDefaultInstance());

        await().atMost(PATIENCE).untilAsserted(() -> assertThat(told).isNotEmpty());
        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(told.getLast().getWarmupsList())
                        .containsExactly(Warmup.newBuilder()
                                .setArtifactDigest(digest('b'))
                                .setLevel(dev.thaw.node.v1.WarmLevel.WARM_LEVEL_FULL)
                                .build()));
        assertThat(credentials("node-1").getPassword()).isEqualTo("secret of team");
        assertThatThrownBy(() -> credentials("node-2")).hasMessageContaining("PERMISSION_DENIED");

        client.resources(LazyImage.class).inNamespace("team").withName("app").edit(known -> {
            known.setSpec(image("team", "app").getSpec());
            return known;
        });
        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(told.getLast().getWarmupsList()).isEmpty());
        assertThatThrownBy(() -> credentials("node-1")).hasMessageContaining("PERMISSION_DENIED");
    }

    @Test
    void handsWhatOneNodesStartReadToTheNext() throws IOException {
        client.resource(image("team", "app")).create();
        awaitImage();
        var asked = GetTraceRequest.newBuilder().setArtifactDigest(digest('b')).build();
        assertThat(blocking("node-1").getTrace(asked))
                .isEqualTo(GetTraceResponse.newBuilder()
                        .setChunks(Chunks.getDefaultInstance())
                        .setLearning(true)
                        .build());

        assertThat(blocking("node-1")
                        .reportTrace(SampleTraces.report("c1", 7, 3, 5))
                        .getComplete())
                .isFalse();

        assertThat(blocking("node-2").getTrace(asked).getChunks().getChunkList())
                .containsExactly(7, 3, 5);
        // So does an operator that comes after this one.
        stop();
        start();
        awaitImage();
        assertThat(blocking("node-2").getTrace(asked).getChunks().getChunkList())
                .containsExactly(7, 3, 5);
    }

    @Test
    void cutsWhatWasReadAfterTheStartAndAsksForNoMoreOfIt() {
        client.resource(image("team", "app")).create();
        awaitImage();
        pod("team", "web", "node-1", "registry.example/team/app@" + digest('a'));
        client.pods()
                .inNamespace("team")
                .withName("web")
                .edit(pod -> new PodBuilder(pod)
                        .editSpec()
                        .editFirstContainer()
                        .withReadinessProbe(new Probe())
                        .endContainer()
                        .endSpec()
                        .editOrNewStatus()
                        .addNewCondition()
                        .withType("Ready")
                        .withStatus("True")
                        .withLastTransitionTime(
                                SampleTraces.BEGUN.plusSeconds(1).toString())
                        .endCondition()
                        .endStatus()
                        .build());
        var uid = client.pods()
                .inNamespace("team")
                .withName("web")
                .get()
                .getMetadata()
                .getUid();
        var report = SampleTraces.takenAfter(20, "c1", IntStream.range(0, 20).toArray()).toBuilder()
                .setPodNamespace("team")
                .setPodName("web")
                .setPodUid(uid)
                .build();
        var asked = GetTraceRequest.newBuilder().setArtifactDigest(digest('b')).build();

        await().atMost(PATIENCE).untilAsserted(() -> {
            assertThat(blocking("node-1").reportTrace(report).getComplete()).isTrue();
            assertThat(blocking("node-2").getTrace(asked).getChunks().getChunkCount())
                    .isEqualTo(2);
        });
    }

    @Test
    void learnsNothingOfAnImageThatDoesNotWantIt() {
        var image = image("team", "app");
        image.setSpec(LazyImageSpec.builder("registry.example/team/app:1")
                .prefetch(new LazyImageSpec.Prefetch(PrefetchPolicy.OFF, List.of()))
                .build());
        client.resource(image).create();
        awaitImage();

        assertThat(blocking("node-1").reportTrace(SampleTraces.report("c1", 1)).getComplete())
                .isTrue();

        assertThat(blocking("node-1")
                        .getTrace(GetTraceRequest.newBuilder()
                                .setArtifactDigest(digest('b'))
                                .build()))
                .isEqualTo(GetTraceResponse.getDefaultInstance());
        assertThat(client.configMaps().inNamespace("thaw-system").list().getItems())
                .isEmpty();
    }

    @Test
    void refusesATraceThatDoesNotKeepItsBounds() {
        client.resource(image("team", "app")).create();
        awaitImage();
        assertThatThrownBy(() -> blocking("node-1").reportTrace(SampleTraces.report("c1", 4, 4)))
                .hasMessageContaining("INVALID_ARGUMENT");
    }

    @Test
    void forgetsTheTraceOfAnImageThatIsDeleted() {
        client.resource(image("team", "app")).create();
        awaitImage();
        var _ = blocking("node-1").reportTrace(SampleTraces.report("c1", 1));
        assertThat(client.configMaps().inNamespace("thaw-system").list().getItems())
                .hasSize(1);

        client.resources(LazyImage.class).inNamespace("team").withName("app").delete();

        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(client.configMaps()
                                .inNamespace("thaw-system")
                                .list()
                                .getItems())
                        .isEmpty());
    }

    @Test
    void joinsAColdStartWithThePodThatBecomesReady() {
        var image = image("team", "app");
        client.resource(image).create();
        pod("team", "web", "node-1", "registry.example/team/app@" + digest('a'));
        awaitImage();
        var began = Instant.parse("2026-01-01T00:00:00Z");
        var uid = client.pods()
                .inNamespace("team")
                .withName("web")
                .get()
                .getMetadata()
                .getUid();

        blocking("node-1")
                .reportColdStarts(ReportColdStartsRequest.newBuilder()
                        .addColdStarts(ColdStart.newBuilder()
                                .setArtifactDigest(digest('b'))
                                .setContainerId("c1")
                                .setPodNamespace("team")
                                .setPodName("web")
                                .setPodUid(uid)
                                .setCold(true)
                                .setPullBegan(time(began))
                                .setStarted(time(began.plusMillis(450))))
                        .build());
        assertThat(server.coldStarts().figures(image).entrypoint().p50()).isEqualTo("0.45s");

        client.pods()
                .inNamespace("team")
                .withName("web")
                .edit(pod -> new PodBuilder(pod)
                        .editOrNewStatus()
                        .addNewCondition()
                        .withType("Ready")
                        .withStatus("True")
                        .withLastTransitionTime(began.plusSeconds(4).toString())
                        .endCondition()
                        .endStatus()
                        .build());
        await().atMost(PATIENCE)
                .untilAsserted(
                        () -> assertThat(server.coldStarts().figures(image).ready())
                                .isNotNull()
                                .satisfies(ready -> assertThat(ready.p50()).isEqualTo("4.00s")));
    }

    private static Caller caller(String token) throws StatusException {
        if (!token.startsWith(AGENT)) {
            throw Status.UNAUTHENTICATED.asException();
        }
        return new Caller(token.substring(AGENT.length()), "agent-pod");
    }

    private GetCredentialsResponse credentials(String node) {
        return blocking(node)
                .getCredentials(GetCredentialsRequest.newBuilder()
                        .setArtifactDigest(digest('b'))
                        .build());
    }

    private NodeServiceGrpc.NodeServiceBlockingStub blocking(String node) {
        return NodeServiceGrpc.newBlockingStub(channel).withInterceptors(token(node));
    }

    private static ClientInterceptor token(String node) {
        return header("Bearer " + AGENT + node);
    }

    private static ClientInterceptor header(String value) {
        var headers = new Metadata();
        headers.put(AgentAuthentication.AUTHORIZATION, value);
        return MetadataUtils.newAttachHeadersInterceptor(headers);
    }

    /** Waits until the server has heard of the image. */
    private void awaitImage() {
        await().atMost(PATIENCE).until(() -> {
            try {
                var _ = credentials("nowhere");
                return false;
            } catch (StatusRuntimeException e) {
                return e.getStatus().getCode() == Status.Code.PERMISSION_DENIED;
            }
        });
    }

    private static LazyImage image(String namespace, String name) {
        var image = LazyImages.published(namespace, name, 'a', 'b');
        image.setSpec(LazyImageSpec.builder("registry.example/team/app:1")
                .pullSecrets(List.of(new LazyImageSpec.SecretName("regcred")))
                .build());
        return image;
    }

    private void secret(String namespace) {
        var config = "{\"auths\":{\"registry.example\":{\"username\":\"reader\",\"password\":\"secret of " + namespace
                + "\"}}}";
        client.resource(new SecretBuilder()
                        .withNewMetadata()
                        .withNamespace(namespace)
                        .withName("regcred")
                        .endMetadata()
                        .withType("kubernetes.io/dockerconfigjson")
                        .addToData(
                                ".dockerconfigjson",
                                Base64.getEncoder().encodeToString(config.getBytes(StandardCharsets.UTF_8)))
                        .build())
                .create();
    }

    private void pod(String namespace, String name, String node, String image) {
        client.resource(new PodBuilder()
                        .withNewMetadata()
                        .withNamespace(namespace)
                        .withName(name)
                        .endMetadata()
                        .withNewSpec()
                        .withNodeName(node)
                        .addNewContainer()
                        .withName("main")
                        .withImage(image)
                        .endContainer()
                        .endSpec()
                        .build())
                .create();
    }

    private static Timestamp time(Instant instant) {
        return Timestamp.newBuilder()
                .setSeconds(instant.getEpochSecond())
                .setNanos(instant.getNano())
                .build();
    }

    private static <T> StreamObserver<T> collect(List<T> told) {
        return new StreamObserver<>() {
            @Override
            public void onNext(T event) {
                told.add(event);
            }

            @Override
            public void onError(Throwable failure) {}

            @Override
            public void onCompleted() {}
        };
    }
}
