package dev.thaw.operator.admission;

import static dev.thaw.operator.admission.FakeCluster.fresh;
import static dev.thaw.operator.admission.FakeCluster.lazyReference;
import static dev.thaw.operator.admission.FakeCluster.notReady;
import static dev.thaw.operator.admission.FakeCluster.ready;
import static dev.thaw.operator.admission.FakeCluster.runtimeClass;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.thaw.crds.Names;
import dev.thaw.crds.Reason;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.javaoperatorsdk.operator.Operator;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.awaitility.core.ThrowingRunnable;
import org.junit.jupiter.api.Test;

/** What the webhook and the waiting pods see of a fake API server. */
@EnableKubernetesMockClient(crud = true)
class InformedAdmissionTest {
    KubernetesClient client;

    @Test
    void theClusterIsWatched() {
        var settings = new AdmissionSettings(0, "thaw-system", Set.of(), false);
        client.resource(ready("app", "registry.example/team/app:1")).create();
        client.resource(runtimeClass("runc-lazy", "runc-lazy")).create();
        namespace("team", Map.of("thaw.dev/auto-create", "true"));
        namespace("plain", Map.of());
        var refusal = Optional.of("no");
        try (var cluster = new InformedCluster(client, settings, _ -> refusal)) {
            cluster.start();
            eventually(() -> assertThat(cluster.isSynced()).isTrue());

            assertThat(cluster.lazyImage("team", "app")).isPresent();
            assertThat(cluster.lazyImages("team")).hasSize(1);
            assertThat(cluster.lazyImages("plain")).isEmpty();
            assertThat(cluster.runtimeClass("runc-lazy")).isPresent();
            assertThat(cluster.mayMakeImages("team")).isTrue();
            assertThat(cluster.mayMakeImages("plain")).isFalse();
            assertThat(cluster.whyNotMade(wanted("registry.example/team/app:1")))
                    .isEqualTo(refusal);
            assertThat(cluster.isAgentReady()).isFalse();

            client.resource(new NodeBuilder()
                            .withNewMetadata()
                            .withName("n1")
                            .addToLabels(Names.AGENT, Names.AGENT_READY)
                            .endMetadata()
                            .build())
                    .create();

            eventually(() -> assertThat(cluster.isAgentReadyOn("n1")).isTrue());
            assertThat(cluster.isAgentReadyOn("n2")).isFalse();
        }
    }

    private static WantedImage wanted(String image) {
        return WantedImage.of("team", image, ImageMatch.parse(image).orElseThrow(), PodDecisionTest.pod(image));
    }

    @Test
    void aWaitingPodGoesWhenItsConversionEnds() {
        var cluster = FakeCluster.usual().with(fresh("app", "registry.example/team/app:1"));
        client.resource(fresh("app", "registry.example/team/app:1")).create();
        client.resource(fresh("bad", "registry.example/team/bad:1")).create();
        var operator = operator();
        try {
            gated("good", cluster);
            gated("hopeless", FakeCluster.usual().with(fresh("bad", "registry.example/team/app:1")));
            gated("forgotten", FakeCluster.usual().with(fresh("nobody", "registry.example/team/app:1")));

            eventually(() -> assertThat(LazyPod.isGated(pod("forgotten"))).isFalse());
            assertThat(LazyPod.isGated(pod("good"))).isTrue();

            client.resource(ready("app", "registry.example/team/app:1")).update();
            client.resource(notReady("bad", "registry.example/team/bad:1", Reason.CORRUPT_LAYER))
                    .update();

            eventually(() -> {
                assertThat(LazyPod.isGated(pod("good"))).isFalse();
                assertThat(LazyPod.isGated(pod("hopeless"))).isFalse();
            });
            assertThat(pod("good").getSpec().getContainers().getFirst().getImage())
                    .isEqualTo(lazyReference("app"));
            assertThat(pod("good").getMetadata().getLabels()).doesNotContainKey(LazyPod.WAITING_LABEL);
            assertThat(pod("hopeless").getSpec().getContainers().getFirst().getImage())
                    .isEqualTo("registry.example/team/app:1");
        } finally {
            operator.stop();
        }
    }

    /** Its clock is two minutes ahead: pods made now have waited for longer than a LazyImage may take to appear. */
    private Operator operator() {
        var operator = new Operator(configuration -> configuration
                .withKubernetesClient(client)
                .withCloseClientOnStop(false)
                .checkingCRDAndValidateLocalModel(false)
                .withUseSSAToPatchPrimaryResource(false));
        operator.register(
                new WaitingPodReconciler(InstantSource.offset(InstantSource.system(), Duration.ofMinutes(2))));
        operator.start();
        return operator;
    }

    /** As the API server makes it after it has asked the webhook. */
    private void gated(String name, FakeCluster cluster) {
        var pod = new PodBuilder(PodDecisionTest.waiting(PodDecisionTest.pod("registry.example/team/app:1")))
                .editMetadata()
                .withName(name)
                .withNamespace("team")
                .endMetadata()
                .build();
        var settings = new AdmissionSettings(0, "thaw-system", Set.of(), false);
        var decision = (PodDecision.Lazy) PodDecision.of(pod, "team", cluster, settings);
        client.resource(decision.pod()).create();
    }

    private Pod pod(String name) {
        return client.pods().inNamespace("team").withName(name).get();
    }

    private void namespace(String name, Map<String, String> labels) {
        client.resource(new NamespaceBuilder()
                        .withNewMetadata()
                        .withName(name)
                        .withLabels(labels)
                        .endMetadata()
                        .build())
                .create();
    }

    private static void eventually(ThrowingRunnable assertion) {
        await().atMost(Duration.ofSeconds(20)).untilAsserted(assertion);
    }
}
