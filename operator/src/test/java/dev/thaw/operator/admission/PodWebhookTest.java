package dev.thaw.operator.admission;

import static dev.thaw.operator.admission.FakeCluster.lazyReference;
import static dev.thaw.operator.admission.FakeCluster.ready;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.operator.certificates.CertificateSettings;
import dev.thaw.operator.certificates.Certificates;
import io.fabric8.kubernetes.api.model.GroupVersionKind;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.admission.v1.AdmissionRequestBuilder;
import io.fabric8.kubernetes.api.model.admission.v1.AdmissionResponse;
import io.fabric8.kubernetes.api.model.admission.v1.AdmissionReview;
import io.fabric8.kubernetes.api.model.admission.v1.AdmissionReviewBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.utils.Serialization;
import io.fabric8.zjsonpatch.JsonPatch;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Over HTTPS, with a certificate that the operator made and a client that trusts its authority alone. */
@EnableKubernetesMockClient(crud = true)
class PodWebhookTest {
    private static final AdmissionSettings SETTINGS = new AdmissionSettings(0, "thaw-system", Set.of(), false);

    KubernetesClient client;
    private final FakeCluster cluster = FakeCluster.usual();
    private final List<WantedImage> wanted = new ArrayList<>();
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private Certificates certificates;
    private PodWebhook webhook;
    private HttpClient http;

    @BeforeEach
    void start() throws Exception {
        certificates = new Certificates(
                new CertificateSettings(
                        "thaw-system",
                        new CertificateSettings.Origin.SelfMade("hook-tls", "node-tls", Optional.empty()),
                        List.of("localhost"),
                        List.of("node"),
                        "thaw-node-ca"),
                client,
                InstantSource.system());
        certificates.start();
        webhook = new PodWebhook(SETTINGS, new PodAdmission(cluster, SETTINGS, wanted::add, meters));
        webhook.start(certificates.webhook().context());
        http = HttpClient.newBuilder().sslContext(trust()).build();
    }

    @AfterEach
    void stop() {
        http.close();
        webhook.close();
        certificates.close();
    }

    @Test
    void answersWithAPatchThatMakesThePodLazy() throws Exception {
        cluster.with(ready("app", "registry.example/team/app:1"));
        var pod = PodDecisionTest.pod("registry.example/team/app:1");

        var response = ask(pod, false);

        assertThat(response.getUid()).isEqualTo("uid-1");
        assertThat(response.getAllowed()).isTrue();
        assertThat(response.getPatchType()).isEqualTo("JSONPatch");
        assertThat(response.getAuditAnnotations())
                .containsEntry("outcome", "lazy")
                .containsEntry("lazy-image.main", lazyReference("app"));
        var patched = patched(pod, response);
        assertThat(patched.getSpec().getContainers().getFirst().getImage()).isEqualTo(lazyReference("app"));
        assertThat(patched.getSpec().getRuntimeClassName()).isEqualTo("runc-lazy");
        assertThat(meters.get("thaw.admission.pods")
                        .tag("outcome", "lazy")
                        .counter()
                        .count())
                .isEqualTo(1);
    }

    @Test
    void admitsAPodUnchangedAndSaysWhy() throws Exception {
        var response = ask(PodDecisionTest.pod("registry.example/team/app:1"), false);

        assertThat(response.getAllowed()).isTrue();
        assertThat(response.getPatch()).isNull();
        assertThat(response.getWarnings()).singleElement().asString().startsWith("thaw: the pod is left as it is: ");
        assertThat(response.getAuditAnnotations()).containsEntry("outcome", "left_alone");
    }

    @Test
    void admitsAPodUnchangedWhenItCannotLookAtTheCluster() throws Exception {
        webhook.close();
        webhook = new PodWebhook(SETTINGS, new PodAdmission(FakeCluster.broken(), SETTINGS, wanted::add, meters));
        webhook.start(certificates.webhook().context());

        var response = ask(PodDecisionTest.pod("registry.example/team/app:1"), false);

        assertThat(response.getAllowed()).isTrue();
        assertThat(response.getPatch()).isNull();
        assertThat(response.getAuditAnnotations()).containsEntry("outcome", "error");
    }

    @Test
    void aDryRunHasNoSideEffects() throws Exception {
        cluster.makesImagesIn("team");
        var pod = PodDecisionTest.waiting(PodDecisionTest.pod("registry.example/team/app:1"));

        assertThat(ask(pod, true).getPatch()).isNotNull();
        assertThat(wanted).isEmpty();
        assertThat(patched(pod, ask(pod, false)).getSpec().getSchedulingGates()).hasSize(1);
        assertThat(wanted).hasSize(1);
    }

    @Test
    void refusesWhatIsNoReview() throws Exception {
        assertThat(send("not json").statusCode()).isEqualTo(400);
        assertThat(send("{}").statusCode()).isEqualTo(400);
        assertThat(send("x".repeat((8 << 20) + 1)).statusCode()).isEqualTo(413);
    }

    private AdmissionResponse ask(Pod pod, boolean dryRun) throws Exception {
        var review = new AdmissionReviewBuilder()
                .withRequest(new AdmissionRequestBuilder()
                        .withUid("uid-1")
                        .withOperation("CREATE")
                        .withNamespace("team")
                        .withKind(new GroupVersionKind("", "Pod", "v1"))
                        .withDryRun(dryRun)
                        .withObject(pod)
                        .build())
                .build();
        var answer = send(Serialization.asJson(review));
        assertThat(answer.statusCode()).isEqualTo(200);
        var response =
                Serialization.unmarshal(answer.body(), AdmissionReview.class).getResponse();
        assertThat(response.getUid()).isEqualTo("uid-1");
        return response;
    }

    private HttpResponse<String> send(String body) throws Exception {
        return http.send(
                HttpRequest.newBuilder(URI.create("https://localhost:" + webhook.port() + "/mutate-pods?timeout=5s"))
                        .timeout(Duration.ofSeconds(10))
                        .POST(BodyPublishers.ofString(body))
                        .build(),
                BodyHandlers.ofString());
    }

    /** As the API server does: the patch on the JSON that was sent. */
    private static Pod patched(Pod pod, AdmissionResponse response) throws Exception {
        var mapper = new ObjectMapper();
        var patch =
                mapper.readTree(new String(Base64.getDecoder().decode(response.getPatch()), StandardCharsets.UTF_8));
        return mapper.treeToValue(JsonPatch.apply(patch, mapper.valueToTree(pod)), Pod.class);
    }

    private SSLContext trust() throws Exception {
        var secret =
                client.secrets().inNamespace("thaw-system").withName("hook-tls").get();
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        store.setCertificateEntry(
                "ca",
                CertificateFactory.getInstance("X.509")
                        .generateCertificate(new ByteArrayInputStream(
                                Base64.getDecoder().decode(secret.getData().get("ca.crt")))));
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }
}
