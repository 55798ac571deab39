package dev.thaw.operator.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionStatus;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.DeletionPolicy;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.Reason;
import dev.thaw.crds.ResolvePolicy;
import dev.thaw.oci.Digest;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.operator.conversion.ConverterSettings;
import dev.thaw.operator.conversion.JobShape;
import dev.thaw.operator.node.IdleNodes;
import dev.thaw.operator.registry.HttpImageRegistry;
import io.fabric8.kubernetes.api.model.ContainerStatusBuilder;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.javaoperatorsdk.operator.Operator;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The reconciler in a real JOSDK loop, against a fake API server and a fake registry; Jobs end when a test says so. */
@EnableKubernetesMockClient(crud = true)
class ReconciledImagesTest {
    private static final String NAMESPACE = "team";
    private static final String LAZY = "sha256:" + "1".repeat(64);
    private static final String ARTIFACT = "sha256:" + "2".repeat(64);
    private static final String INDEX = "application/vnd.oci.image.index.v1+json";
    private static final String MANIFEST = "application/vnd.oci.image.manifest.v1+json";

    /** Long enough for a machine that is busy with something else. */
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    KubernetesClient client;
    private FakeRegistry registry;
    private Operator operator;
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();

    @BeforeEach
    void start() {
        registry = FakeRegistry.start();
        client.resource(new NodeBuilder()
                        .withNewMetadata()
                        .withName("node-1")
                        .endMetadata()
                        .withNewStatus()
                        .withNewNodeInfo()
                        .withOperatingSystem("linux")
                        .withArchitecture("amd64")
                        .endNodeInfo()
                        .endStatus()
                        .build())
                .create();
        var nodes = IdleNodes.of(meters);
        var reconciler = new LazyImageReconciler(
                client,
                ConverterSettings.of("registry.example/thaw/converter:1"),
                new HttpImageRegistry(registry.settings()),
                nodes,
                meters,
                Clock.systemUTC());
        operator = new Operator(configuration -> configuration
                .withKubernetesClient(client)
                .withCloseClientOnStop(false)
                .checkingCRDAndValidateLocalModel(false)
                .withUseSSAToPatchPrimaryResource(false));
        operator.register(reconciler);
        operator.start();
    }

    @AfterEach
    void stop() {
        operator.stop();
        registry.close();
    }

    @Test
    void givesPodsTheLazyImageOnceItsJobHasVerifiedIt() {
        var digest = pushSource("1.0", "first");
        create("app", spec("1.0").build());

        var job = awaitJob(_ -> true);
        var converting = awaitStatus("app", status -> reason(status, ConditionType.READY) == Reason.CONVERTING);
        assertThat(converting.lazyImage()).isNull();
        assertThat(converting.source().digest()).isEqualTo(digest.toString());
        assertThat(converting.conversion().job()).isEqualTo(job.getMetadata().getName());
        assertThat(arguments(job))
                .containsSubsequence("--source", registry.host() + "/team/app@" + digest)
                .containsSubsequence("--target", registry.host() + "/team/app:1.0-thaw")
                .containsSubsequence("--platform", "linux/amd64")
                .doesNotContain("linux/arm64");

        succeed(job, LAZY, true);

        var ready = awaitStatus("app", status -> holds(status, ConditionType.READY));
        assertThat(ready.lazyImage()).isEqualTo(registry.host() + "/team/app@" + LAZY);
        assertThat(reason(ready, ConditionType.VERIFIED)).isEqualTo(Reason.VERIFIED);
        assertThat(ready.conditions()).first().extracting(Condition::type).isEqualTo(ConditionType.READY);
        assertThat(ready.platforms())
                .singleElement()
                .satisfies(platform -> assertThat(platform.artifactDigest()).isEqualTo(ARTIFACT));
        assertThat(ready.artifact().duration()).isEqualTo("12.5s");
        assertThat(ready.progress()).isNull();
        assertThat(ready.observedGeneration()).isEqualTo(1);
        assertThat(meters.get("thaw.conversions")
                        .tag("result", "Converted")
                        .counter()
                        .count())
                .isEqualTo(1);
        awaitEvents("Resolved", "ConversionStarted", "ConversionSucceeded", "Published");
        // The Job and its log are kept for a while, and no longer.
        await().atMost(PATIENCE)
                .untilAsserted(
                        () -> assertThat(client.resource(job).get().getSpec().getTtlSecondsAfterFinished())
                                .isEqualTo(3600));
    }

    @Test
    void goesOnServingTheOldImageWhileTheNewDigestConverts() {
        pushSource("1.0", "first");
        create("app", spec("1.0").build());
        succeed(awaitJob(_ -> true), LAZY, true);
        awaitStatus("app", status -> holds(status, ConditionType.READY));

        var second = pushSource("1.0", "second");

        var during = awaitStatus("app", status -> reason(status, ConditionType.READY) == Reason.CONVERTING);
        assertThat(holds(during, ConditionType.READY)).isTrue();
        assertThat(during.lazyImage()).endsWith(LAZY);
        assertThat(during.source().digest()).isEqualTo(second.toString());
        assertThat(during.condition(ConditionType.READY).orElseThrow().message())
                .contains(second.toString());

        var newer = "sha256:" + "7".repeat(64);
        succeed(awaitJob(job -> arguments(job).contains(registry.host() + "/team/app@" + second)), newer, true);

        var after = awaitStatus(
                "app",
                status -> status.lazyImage() != null && status.lazyImage().endsWith(newer));
        assertThat(after.earlier())
                .singleElement()
                .satisfies(earlier -> assertThat(earlier.lazyImage()).endsWith(LAZY));
        assertThat(holds(after, ConditionType.READY)).isTrue();
    }

    @Test
    void sharesChunksWithWhatItHasPublishedBeforeAndStaysWithThat() {
        pushSource("1.0", "first");
        create(
                "app",
                spec("1.0").chunkDictRef(new LazyImageSpec.LazyImageName("app")).build());
        var first = awaitJob(_ -> true);
        assertThat(arguments(first)).doesNotContain("--chunk-dict");
        succeed(first, LAZY, true);
        var published = awaitStatus("app", status -> holds(status, ConditionType.READY));

        var digest = pushSource("1.0", "second");
        var second = awaitJob(job -> arguments(job).contains(registry.host() + "/team/app@" + digest));
        assertThat(arguments(second)).containsSubsequence("--chunk-dict", published.lazyImage());
        var newer = "sha256:" + "7".repeat(64);
        succeed(second, newer, true);
        awaitStatus(
                "app",
                status -> status.lazyImage() != null && status.lazyImage().endsWith(newer));

        change(
                "app",
                spec -> spec.toBuilder().slo(new LazyImageSpec.Slo("1s", null)).build());
        var after = awaitStatus("app", status -> Long.valueOf(2).equals(status.observedGeneration()));
        assertThat(after.lazyImage()).endsWith(newer);
        assertThat(after.conversion().job()).isEqualTo(second.getMetadata().getName());
    }

    @Test
    void sharesChunksWithAnotherImage() {
        pushSource("1.0", "first");
        create("base", spec("1.0").build());
        succeed(awaitJob(_ -> true), LAZY, true);
        var base = awaitStatus("base", status -> holds(status, ConditionType.READY));
        var digest = pushSource("2.0", "second");

        create(
                "app",
                spec("2.0")
                        .chunkDictRef(new LazyImageSpec.LazyImageName("base"))
                        .build());

        var job = awaitJob(other -> arguments(other).contains(registry.host() + "/team/app@" + digest));
        assertThat(arguments(job)).containsSubsequence("--chunk-dict", base.lazyImage());
    }

    @Test
    void keepsToThePinnedDigest() {
        var first = pushSource("1.0", "first");
        create(
                "app",
                spec("1.0")
                        .resolve(new LazyImageSpec.Resolve(ResolvePolicy.PIN, "1s"))
                        .build());
        succeed(awaitJob(_ -> true), LAZY, true);
        awaitStatus("app", status -> holds(status, ConditionType.READY));

        pushSource("1.0", "second");
        change(
                "app",
                spec -> spec.toBuilder().slo(new LazyImageSpec.Slo("1s", null)).build());

        var after = awaitStatus("app", status -> Long.valueOf(2).equals(status.observedGeneration()));
        assertThat(after.source().digest()).isEqualTo(first.toString());
        assertThat(reason(after, ConditionType.RESOLVED)).isEqualTo(Reason.PINNED);
        assertThat(reason(after, ConditionType.SLO_MET)).isEqualTo(Reason.NO_SAMPLES);
        assertThat(client.batch().v1().jobs().inNamespace(NAMESPACE).list().getItems())
                .hasSize(1);
    }

    @Test
    void saysThatTheSourceDoesNotExistAndFindsItOnceItIsPushed() {
        create("app", spec("1.0").build());

        var missing = awaitStatus("app", status -> reason(status, ConditionType.READY) == Reason.SOURCE_NOT_FOUND);
        assertThat(holds(missing, ConditionType.READY)).isFalse();
        assertThat(holds(missing, ConditionType.DEGRADED)).isTrue();

        pushSource("1.0", "late");
        awaitJob(_ -> true);
    }

    @Test
    void saysWhichSecretIsMissingAndThatAWrongOneIsRefused() {
        registry.wantsBasic("reader", "right");
        pushSource("1.0", "first");
        create(
                "app",
                spec("1.0")
                        .pullSecrets(List.of(new LazyImageSpec.SecretName("regcred")))
                        .build());

        var missing = awaitStatus("app", status -> reason(status, ConditionType.READY) == Reason.SECRET_NOT_FOUND);
        assertThat(missing.condition(ConditionType.READY).orElseThrow().message())
                .contains("team/regcred");

        createSecret("regcred", "wrong");
        change("app", spec -> spec.toBuilder().chunkSize("2Mi").build());
        awaitStatus("app", status -> reason(status, ConditionType.READY) == Reason.SOURCE_UNAUTHORIZED);

        client.secrets().inNamespace(NAMESPACE).withName("regcred").delete();
        createSecret("regcred", "right");
        change("app", spec -> spec.toBuilder().chunkSize("4Mi").build());

        var job = awaitJob(_ -> true);
        assertThat(arguments(job)).containsSubsequence("--pull-config", "/etc/thaw/pull/0/config.json");
        assertThat(job.getSpec().getTemplate().getSpec().getVolumes())
                .filteredOn(volume -> volume.getSecret() != null)
                .singleElement()
                .satisfies(
                        volume -> assertThat(volume.getSecret().getSecretName()).isEqualTo("regcred"));
    }

    @Test
    void reportsWhyAConversionFailedAndTriesAgainWithANewSpec() {
        pushSource("1.0", "first");
        create("app", spec("1.0").build());
        var first = awaitJob(_ -> true);

        fail(first, "{\"error\":{\"reason\":\"TargetForbidden\",\"message\":\"push denied\",\"retryable\":false}}");

        var failed = awaitStatus("app", status -> reason(status, ConditionType.READY) == Reason.TARGET_FORBIDDEN);
        assertThat(holds(failed, ConditionType.READY)).isFalse();
        assertThat(reason(failed, ConditionType.DEGRADED)).isEqualTo(Reason.CONVERSION_FAILING);
        assertThat(failed.condition(ConditionType.CONVERTED).orElseThrow().message())
                .contains("push denied");
        assertThat(failed.conversion().attempts()).isEqualTo(1);
        awaitEvents("ConversionFailed");

        change(
                "app",
                spec -> spec.toBuilder()
                        .converter(new LazyImageSpec.Converter(null, Map.of("pool", "big"), List.of(), "1h", 3, "1h"))
                        .build());

        var second = awaitJob(job -> JobShape.attempt(job) == 2);
        assertThat(second.getSpec().getTemplate().getSpec().getNodeSelector()).containsEntry("pool", "big");
        await().atMost(PATIENCE).until(() -> client.resource(first).get() == null);
        succeed(second, LAZY, true);
        awaitStatus("app", status -> holds(status, ConditionType.READY));
    }

    @Test
    void doesNotGivePodsATreeThatWasNotCompared() {
        pushSource("1.0", "first");
        create("app", spec("1.0").build());

        succeed(awaitJob(_ -> true), LAZY, false);

        var failed = awaitStatus("app", status -> reason(status, ConditionType.VERIFIED) == Reason.VERIFICATION_FAILED);
        assertThat(failed.lazyImage()).isNull();
        assertThat(holds(failed, ConditionType.READY)).isFalse();
        awaitEvents("VerificationFailed");
    }

    @Test
    void sharesOneJobBetweenImagesThatWantTheSame() {
        pushSource("1.0", "first");
        create("one", spec("1.0").build());
        var job = awaitJob(_ -> true);
        create("two", spec("1.0").build());

        await().atMost(PATIENCE)
                .until(() -> client.resource(job)
                                .get()
                                .getMetadata()
                                .getOwnerReferences()
                                .size()
                        == 2);
        succeed(job, LAZY, true);

        awaitStatus("one", status -> holds(status, ConditionType.READY));
        awaitStatus("two", status -> holds(status, ConditionType.READY));
        assertThat(client.batch().v1().jobs().inNamespace(NAMESPACE).list().getItems())
                .hasSize(1);
    }

    @Test
    void convertsNothingWhileSuspended() {
        pushSource("1.0", "first");
        create("app", spec("1.0").suspend(true).build());

        var suspended = awaitStatus("app", status -> reason(status, ConditionType.READY) == Reason.SUSPENDED);
        assertThat(suspended.source()).isNull();
        assertThat(registry.requests()).isEmpty();

        change("app", spec -> spec.toBuilder().suspend(false).build());
        awaitJob(_ -> true);
    }

    @Test
    void takesAnotherImageOfTheSameNameForNewWork() {
        pushSource("1.0", "first");
        pushSource("2.0", "second");
        create("app", spec("1.0").build());
        succeed(awaitJob(_ -> true), LAZY, true);
        awaitStatus("app", status -> holds(status, ConditionType.READY));

        change(
                "app",
                spec -> spec.toBuilder()
                        .image(registry.host() + "/team/app:2.0")
                        .build());

        var other = awaitStatus("app", status -> !holds(status, ConditionType.READY));
        assertThat(other.lazyImage()).isNull();
        assertThat(other.earlier()).hasSize(1);
    }

    @Test
    void deletesWhatItPublishedWhenAskedTo() {
        var lazy = publishIndex("1.0-thaw");
        pushSource("1.0", "first");
        create("app", spec("1.0").deletionPolicy(DeletionPolicy.DELETE).build());
        succeed(awaitJob(_ -> true), lazy.toString(), true);
        awaitStatus("app", status -> holds(status, ConditionType.READY));

        client.resources(LazyImage.class).inNamespace(NAMESPACE).withName("app").delete();

        await().atMost(PATIENCE).until(() -> image("app").isEmpty());
        assertThat(registry.manifest("team/app", "1.0-thaw")).isEmpty();
        assertThat(registry.manifest("team/app", lazy.toString())).isEmpty();
        assertThat(registry.manifest("team/app", "1.0")).isPresent();
    }

    @Test
    void leavesWhatAnotherImageHasPublishedToo() {
        var lazy = publishIndex("1.0-thaw");
        pushSource("1.0", "first");
        create("app", spec("1.0").deletionPolicy(DeletionPolicy.DELETE).build());
        succeed(awaitJob(_ -> true), lazy.toString(), true);
        awaitStatus("app", status -> holds(status, ConditionType.READY));
        create("twin", spec("1.0").build());
        awaitStatus("twin", status -> holds(status, ConditionType.READY));

        client.resources(LazyImage.class).inNamespace(NAMESPACE).withName("app").delete();

        await().atMost(PATIENCE).until(() -> image("app").isEmpty());
        assertThat(registry.manifest("team/app", "1.0-thaw")).isPresent();
    }

    private LazyImageSpec.Builder spec(String tag) {
        return LazyImageSpec.builder(registry.host() + "/team/app:" + tag)
                .resolve(new LazyImageSpec.Resolve(ResolvePolicy.FOLLOW, "1s"));
    }

    /** An index with two platforms and an attestation; different content has another digest. */
    private Digest pushSource(String tag, String content) {
        var manifest = manifest(content);
        var digest = registry.addManifest("team/app", null, MANIFEST, manifest);
        var entry =
                "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%d,\"platform\":{\"os\":\"%s\",\"architecture\":\"%s\"}}";
        var entries = String.join(
                ",",
                entry.formatted(MANIFEST, digest, manifest.length, "linux", "amd64"),
                entry.formatted(MANIFEST, digest, manifest.length, "linux", "arm64"),
                entry.formatted(MANIFEST, digest, manifest.length, "unknown", "unknown"));
        return registry.addManifest("team/app", tag, INDEX, index(entries));
    }

    private Digest publishIndex(String tag) {
        return registry.addManifest("team/app", tag, INDEX, index(""));
    }

    private static byte[] index(String entries) {
        return ("{\"schemaVersion\":2,\"mediaType\":\"" + INDEX + "\",\"manifests\":[" + entries + "]}")
                .getBytes(StandardCharsets.UTF_8);
    }

    private byte[] manifest(String content) {
        var config =
                registry.addBlob("team/app", ("{\"comment\":\"" + content + "\"}").getBytes(StandardCharsets.UTF_8));
        return ("{\"schemaVersion\":2,\"mediaType\":\"" + MANIFEST
                        + "\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\""
                        + config + "\",\"size\":20},\"layers\":[]}")
                .getBytes(StandardCharsets.UTF_8);
    }

    private void create(String name, LazyImageSpec spec) {
        var image = new LazyImage();
        image.setMetadata(new ObjectMetaBuilder()
                .withNamespace(NAMESPACE)
                .withName(name)
                .withGeneration(1L)
                .build());
        image.setSpec(spec);
        client.resource(image).create();
    }

    private void change(String name, UnaryOperator<LazyImageSpec> edit) {
        client.resources(LazyImage.class).inNamespace(NAMESPACE).withName(name).edit(image -> {
            image.setSpec(edit.apply(image.getSpec()));
            image.getMetadata().setGeneration(image.getMetadata().getGeneration() + 1);
            return image;
        });
    }

    private void createSecret(String name, String password) {
        var auth = Base64.getEncoder().encodeToString(("reader:" + password).getBytes(StandardCharsets.UTF_8));
        var config = "{\"auths\":{\"" + registry.host() + "\":{\"auth\":\"" + auth + "\"}}}";
        client.resource(new SecretBuilder()
                        .withNewMetadata()
                        .withNamespace(NAMESPACE)
                        .withName(name)
                        .endMetadata()
                        .withType("kubernetes.io/dockerconfigjson")
                        .addToData(
                                ".dockerconfigjson",
                                Base64.getEncoder().encodeToString(config.getBytes(StandardCharsets.UTF_8)))
                        .build())
                .create();
    }

    private Job awaitJob(Predicate<Job> wanted) {
        return await().atMost(PATIENCE)
                .until(
                        () -> client.batch().v1().jobs().inNamespace(NAMESPACE).list().getItems().stream()
                                .filter(wanted)
                                .findFirst(),
                        Optional::isPresent)
                .orElseThrow();
    }

    private void succeed(Job job, String lazyDigest, boolean verified) {
        var result = """
                {"source":{"reference":"x","digest":"sha256:%s"},
                 "lazyImage":{"reference":"%s/team/app@%s","digest":"%s","tag":"1.0-thaw"},
                 "mode":"Convert","modeReason":"asked for",
                 "platforms":[{"platform":"linux/amd64","lazyDigest":"sha256:%s","artifactDigest":"%s",
                   "sourceDigest":"sha256:%s","layers":3,"files":10,"chunks":20,"sourceBytes":100,"contentBytes":300,
                   "blobBytes":120,"bootstrapBytes":9,"duplicateBytes":30,"reusedLayers":0}],
                 "bytesRead":100,"bytesPushed":130,"durationSeconds":12.5,"throughputBytesPerSecond":24,
                 "verified":%s,"verifiedEntries":10}
                """.formatted(
                        "3".repeat(64),
                        registry.host(),
                        lazyDigest,
                        lazyDigest,
                        "4".repeat(64),
                        ARTIFACT,
                        "5".repeat(64),
                        verified);
        end(job, 0, result, "Complete");
    }

    private void fail(Job job, String result) {
        end(job, 1, result, "Failed");
    }

    private void end(Job job, int exitCode, String message, String condition) {
        client.resource(pod(job, exitCode, message)).create();
        var now = Instant.now().toString();
        // The operator may be writing to it too.
        await().ignoreException(KubernetesClientException.class)
                .until(() -> client.batch()
                                .v1()
                                .jobs()
                                .inNamespace(NAMESPACE)
                                .withName(job.getMetadata().getName())
                                .edit(there -> new JobBuilder(there)
                                        .editOrNewStatus()
                                        .addNewCondition()
                                        .withType(condition)
                                        .withStatus("True")
                                        .withLastTransitionTime(now)
                                        .endCondition()
                                        .endStatus()
                                        .build())
                        != null);
    }

    private static Pod pod(Job job, int exitCode, String message) {
        return new PodBuilder()
                .withNewMetadata()
                .withNamespace(NAMESPACE)
                .withName(job.getMetadata().getName() + "-abcde")
                .withLabels(job.getMetadata().getLabels())
                .addToLabels("batch.kubernetes.io/job-name", job.getMetadata().getName())
                .endMetadata()
                .withNewStatus()
                .withContainerStatuses(new ContainerStatusBuilder()
                        .withName(JobShape.CONTAINER)
                        .withNewState()
                        .withNewTerminated()
                        .withExitCode(exitCode)
                        .withMessage(message)
                        .endTerminated()
                        .endState()
                        .build())
                .endStatus()
                .build();
    }

    private LazyImageStatus awaitStatus(String name, Predicate<LazyImageStatus> wanted) {
        await("the status of " + name)
                .atMost(PATIENCE)
                .untilAsserted(() ->
                        assertThat(image(name).map(LazyImage::getStatus)).get().matches(wanted));
        return image(name).map(LazyImage::getStatus).orElseThrow();
    }

    private void awaitEvents(String... reasons) {
        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(client.events()
                                .v1()
                                .events()
                                .inNamespace(NAMESPACE)
                                .list()
                                .getItems())
                        .extracting(event -> event.getReason())
                        .contains(reasons));
    }

    private Optional<LazyImage> image(String name) {
        return Optional.ofNullable(client.resources(LazyImage.class)
                .inNamespace(NAMESPACE)
                .withName(name)
                .get());
    }

    private static List<String> arguments(Job job) {
        return job.getSpec().getTemplate().getSpec().getContainers().getFirst().getArgs();
    }

    private static boolean holds(LazyImageStatus status, ConditionType type) {
        return status.condition(type).filter(Condition::holds).isPresent();
    }

    private static Reason reason(LazyImageStatus status, ConditionType type) {
        return status.condition(type)
                .filter(condition -> condition.status() != ConditionStatus.UNKNOWN || type != ConditionType.READY)
                .map(Condition::reason)
                .orElse(Reason.UNKNOWN);
    }
}
