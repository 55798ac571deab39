package dev.thaw.operator.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.DeletionPolicy;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.Reason;
import dev.thaw.crds.ResolvePolicy;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.operator.conversion.ConverterSettings;
import dev.thaw.operator.conversion.JobShape;
import dev.thaw.operator.node.IdleNodes;
import dev.thaw.operator.registry.HttpImageRegistry;
import io.fabric8.kubernetes.api.model.ContainerStatusBuilder;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.javaoperatorsdk.operator.Operator;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The reconciler against a real kube-apiserver: server-side apply, the schema of the CRD, status subresources, events.
 * Named by {@code THAW_IT_KUBECONFIG}; no controllers and no kubelet may run there, since this test plays them.
 */
class ReconciledImagesIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final String INDEX = "application/vnd.oci.image.index.v1+json";

    private KubernetesClient client;
    private Operator operator;
    private FakeRegistry registry;
    private String namespace;

    @BeforeEach
    void start() throws InterruptedException {
        var kubeconfig = System.getenv("THAW_IT_KUBECONFIG");
        assumeTrue(kubeconfig != null, "THAW_IT_KUBECONFIG names no kubeconfig of a bare kube-apiserver");
        client = new KubernetesClientBuilder()
                .withConfig(Config.fromKubeconfig(new File(kubeconfig)))
                .build();
        var definition = client.getKubernetesSerialization()
                .unmarshal(
                        LazyImage.class.getResourceAsStream("/META-INF/fabric8/lazyimages.thaw.dev-v1.yml"),
                        CustomResourceDefinition.class);
        client.resource(definition).serverSideApply();
        client.resource(definition).waitUntilCondition(ReconciledImagesIT::isEstablished, 30, TimeUnit.SECONDS);
        namespace = "it-" + Long.toHexString(System.nanoTime());
        client.resource(new NamespaceBuilder()
                        .withNewMetadata()
                        .withName(namespace)
                        .endMetadata()
                        .build())
                .create();
        registry = FakeRegistry.start();
        var meters = new SimpleMeterRegistry();
        var nodes = IdleNodes.of(meters);
        operator = new Operator(
                configuration -> configuration.withKubernetesClient(client).withCloseClientOnStop(false));
        operator.register(new LazyImageReconciler(
                client,
                ConverterSettings.of("registry.example/thaw/converter:1"),
                new HttpImageRegistry(registry.settings()),
                nodes,
                meters,
                Clock.systemUTC()));
        operator.start();
    }

    @AfterEach
    void stop() {
        if (operator != null) {
            operator.stop();
            registry.close();
            client.namespaces().withName(namespace).delete();
            client.close();
        }
    }

    @Test
    void livesThroughAFailureASuccessANewDigestAndItsDeletion() {
        push("first");
        var image = new LazyImage();
        image.setMetadata(
                new ObjectMetaBuilder().withNamespace(namespace).withName("app").build());
        image.setSpec(LazyImageSpec.builder(registry.host() + "/team/app:1.0")
                .resolve(new LazyImageSpec.Resolve(ResolvePolicy.FOLLOW, "10s"))
                .deletionPolicy(DeletionPolicy.DELETE)
                .slo(new LazyImageSpec.Slo("500ms", null))
                .build());
        client.resource(image).create();

        end(
                awaitJob(_ -> true),
                "Failed",
                "{\"error\":{\"reason\":\"RegistryUnavailable\",\"message\":\"down\",\"retryable\":true}}");
        var failed = awaitStatus(status -> reason(status, ConditionType.READY) == Reason.REGISTRY_UNAVAILABLE);
        assertThat(failed.conversion().completionTime()).isNotNull();

        end(awaitJob(job -> JobShape.attempt(job) == 2), "Complete", result("1"));
        var ready = awaitStatus(status -> holds(status, ConditionType.READY));
        assertThat(ready.lazyImage()).endsWith("1".repeat(64));
        assertThat(ready.conversion().attempts()).isEqualTo(2);
        assertThat(ready.observedGeneration()).isEqualTo(1);
        assertThat(reason(ready, ConditionType.SLO_MET)).isEqualTo(Reason.NO_SAMPLES);
        await().atMost(PATIENCE)
                .until(() -> jobs().stream()
                        .allMatch(job ->
                                Integer.valueOf(3600).equals(job.getSpec().getTtlSecondsAfterFinished())));

        push("second");
        var during = awaitStatus(status -> reason(status, ConditionType.READY) == Reason.CONVERTING);
        assertThat(holds(during, ConditionType.READY)).isTrue();
        assertThat(during.lazyImage()).isEqualTo(ready.lazyImage());
        end(
                awaitJob(job -> job.getStatus() == null
                        || job.getStatus().getConditions().isEmpty()),
                "Complete",
                result("2"));
        var newer = awaitStatus(
                status -> status.lazyImage() != null && status.lazyImage().endsWith("2".repeat(64)));
        assertThat(newer.earlier()).hasSize(1);
        assertThat(newer.progress()).isNull();

        assertThat(client.events().v1().events().inNamespace(namespace).list().getItems())
                .extracting(event -> event.getReason())
                .contains("Resolved", "ConversionStarted", "ConversionFailed", "ConversionSucceeded", "Published");

        client.resource(image).delete();
        await().atMost(PATIENCE).until(() -> client.resource(image).get() == null);
    }

    private static boolean isEstablished(CustomResourceDefinition definition) {
        return definition.getStatus() != null
                && definition.getStatus().getConditions().stream()
                        .anyMatch(condition -> condition.getType().equals("Established")
                                && condition.getStatus().equals("True"));
    }

    private void push(String content) {
        registry.addManifest(
                "team/app",
                "1.0",
                INDEX,
                ("{\"schemaVersion\":2,\"mediaType\":\"" + INDEX + "\",\"manifests\":[],\"annotations\":{\"content\":\""
                                + content + "\"}}")
                        .getBytes(StandardCharsets.UTF_8));
    }

    private String result(String digit) {
        var digest = "sha256:" + digit.repeat(64);
        return """
                {"source":{"reference":"x","digest":"%1$s"},"lazyImage":{"reference":"%2$s/team/app@%1$s","digest":"%1$s"},
                 "mode":"Convert","modeReason":"","platforms":[{"platform":"linux/amd64","lazyDigest":"%1$s",
                 "artifactDigest":"%1$s","sourceDigest":"%1$s","layers":1,"contentBytes":10}],"durationSeconds":3,"verified":true}
                """.formatted(digest, registry.host());
    }

    /** Does what the Job controller and kubelet would do. */
    private void end(Job job, String condition, String message) {
        var pod = new PodBuilder()
                .withNewMetadata()
                .withNamespace(namespace)
                .withName(job.getMetadata().getName() + "-abcde")
                .withLabels(job.getMetadata().getLabels())
                .addToLabels("batch.kubernetes.io/job-name", job.getMetadata().getName())
                .endMetadata()
                .withSpec(job.getSpec().getTemplate().getSpec())
                .build();
        client.resource(pod).create();
        client.pods()
                .inNamespace(namespace)
                .withName(pod.getMetadata().getName())
                .editStatus(there -> new PodBuilder(there)
                        .editOrNewStatus()
                        .withPhase(condition.equals("Complete") ? "Succeeded" : "Failed")
                        .withContainerStatuses(new ContainerStatusBuilder()
                                .withName(JobShape.CONTAINER)
                                .withImage("x")
                                .withImageID("x")
                                .withReady(false)
                                .withRestartCount(0)
                                .withNewState()
                                .withNewTerminated()
                                .withExitCode(condition.equals("Complete") ? 0 : 1)
                                .withMessage(message)
                                .endTerminated()
                                .endState()
                                .build())
                        .endStatus()
                        .build());
        var now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
        var precedes = condition.equals("Complete") ? "SuccessCriteriaMet" : "FailureTarget";
        client.batch()
                .v1()
                .jobs()
                .inNamespace(namespace)
                .withName(job.getMetadata().getName())
                .editStatus(there -> {
                    var status = new JobBuilder(there)
                            .editOrNewStatus()
                            .withStartTime(now)
                            .addNewCondition()
                            .withType(precedes)
                            .withStatus("True")
                            .withLastTransitionTime(now)
                            .endCondition()
                            .addNewCondition()
                            .withType(condition)
                            .withStatus("True")
                            .withReason("BackoffLimitExceeded")
                            .withLastTransitionTime(now)
                            .endCondition();
                    return condition.equals("Complete")
                            ? status.withCompletionTime(now)
                                    .withSucceeded(1)
                                    .endStatus()
                                    .build()
                            : status.withFailed(1).endStatus().build();
                });
    }

    private List<Job> jobs() {
        return client.batch().v1().jobs().inNamespace(namespace).list().getItems();
    }

    private Job awaitJob(Predicate<Job> wanted) {
        return await().atMost(PATIENCE)
                .until(() -> jobs().stream().filter(wanted).findFirst(), Optional::isPresent)
                .orElseThrow();
    }

    private LazyImageStatus awaitStatus(Predicate<LazyImageStatus> wanted) {
        await().atMost(PATIENCE).untilAsserted(() -> assertThat(status()).get().matches(wanted));
        return status().orElseThrow();
    }

    private Optional<LazyImageStatus> status() {
        return Optional.ofNullable(client.resources(LazyImage.class)
                        .inNamespace(namespace)
                        .withName("app")
                        .get())
                .map(LazyImage::getStatus);
    }

    private static boolean holds(LazyImageStatus status, ConditionType type) {
        return status.condition(type).filter(Condition::holds).isPresent();
    }

    private static Reason reason(LazyImageStatus status, ConditionType type) {
        return status.condition(type).map(Condition::reason).orElse(Reason.UNKNOWN);
    }
}
