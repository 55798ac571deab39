package dev.thaw.operator.conversion;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Compression;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.LazyImageSpec.SecretName;
import dev.thaw.crds.Mode;
import dev.thaw.crds.Verification;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ResourceRequirementsBuilder;
import io.fabric8.kubernetes.api.model.TolerationBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class JobShapeTest {
    private static final ConverterSettings SETTINGS = ConverterSettings.of("registry.example/converter:1");
    private static final ConversionRequest REQUEST = request("sha256:" + "a".repeat(64), List.of("linux/amd64"), "1Mi");

    @Test
    void namesTheJobByTheWorkSoThatTheSameWorkIsNeverDoneTwice() {
        var same = request(REQUEST.digest(), List.of("linux/amd64", "linux/amd64"), "1Mi");
        assertThat(JobShape.name(same, 1)).isEqualTo(JobShape.name(REQUEST, 1)).startsWith("thaw-convert-");
        assertThat(List.of(
                        JobShape.name(REQUEST, 1),
                        JobShape.name(REQUEST, 2),
                        JobShape.name(request("sha256:" + "b".repeat(64), List.of("linux/amd64"), "1Mi"), 1),
                        JobShape.name(request(REQUEST.digest(), List.of("linux/arm64"), "1Mi"), 1),
                        JobShape.name(request(REQUEST.digest(), List.of("linux/amd64"), "2Mi"), 1)))
                .doesNotHaveDuplicates()
                .allSatisfy(
                        name -> assertThat(name).hasSizeLessThanOrEqualTo(63).matches("[a-z0-9-]+"));
    }

    @Test
    void givesThePodNoRightsItDoesNotNeed() {
        var pod = podOf(job(LazyImageSpec.of("app:1")));
        assertThat(pod.getAutomountServiceAccountToken()).isFalse();
        assertThat(pod.getRestartPolicy()).isEqualTo("Never");
        assertThat(pod.getSecurityContext().getRunAsNonRoot()).isTrue();
        assertThat(pod.getSecurityContext().getRunAsUser()).isEqualTo(65532);
        assertThat(pod.getSecurityContext().getSeccompProfile().getType()).isEqualTo("RuntimeDefault");
        var security = converter(pod).getSecurityContext();
        assertThat(security.getReadOnlyRootFilesystem()).isTrue();
        assertThat(security.getAllowPrivilegeEscalation()).isFalse();
        assertThat(security.getCapabilities().getDrop()).containsExactly("ALL");
    }

    @Test
    void mountsSecretsAsFilesThatTheArgumentsName() {
        var spec = LazyImageSpec.builder("app:1")
                .pullSecrets(List.of(new SecretName("one"), new SecretName("two")))
                .pushSecret(new SecretName("three"))
                .build();
        var pod = podOf(job(spec));
        assertThat(pod.getVolumes())
                .filteredOn(volume -> volume.getSecret() != null)
                .extracting(volume -> volume.getSecret().getSecretName())
                .containsExactly("one", "two", "three");
        assertThat(converter(pod).getArgs())
                .containsSubsequence(
                        "--pull-config",
                        "/etc/thaw/pull/0/config.json",
                        "--pull-config",
                        "/etc/thaw/pull/1/config.json")
                .containsSubsequence("--push-config", "/etc/thaw/push/config.json");
        assertThat(converter(pod).getVolumeMounts())
                .filteredOn(mount -> mount.getMountPath().startsWith("/etc/thaw"))
                .hasSize(3)
                .allMatch(mount -> mount.getReadOnly());
        assertThat(pod.getVolumes())
                .filteredOn(volume -> volume.getSecret() != null)
                .allSatisfy(volume -> assertThat(
                                volume.getSecret().getItems().getFirst().getKey())
                        .isEqualTo(".dockerconfigjson"));
    }

    @Test
    void asksTheConverterForWhatTheSpecSays() {
        var request = new ConversionRequest(
                "docker.io/library/app:1",
                "docker.io/library/app",
                REQUEST.digest(),
                "docker.io/library/app:1-thaw",
                List.of("linux/arm64", "linux/amd64"),
                Mode.CONVERT,
                "4Mi",
                Compression.LZ4,
                Verification.OFF,
                Optional.of("docker.io/library/app@" + REQUEST.digest()));
        var settings = SETTINGS.withRegistries(List.of("registry.local:5000"), "PEM");
        var pod = podOf(JobShape.of(request, image(LazyImageSpec.of("app:1")), 1, "1/", settings));
        assertThat(converter(pod).getArgs())
                .startsWith("convert")
                .containsSubsequence("--source", "docker.io/library/app@" + REQUEST.digest())
                .containsSubsequence("--target", "docker.io/library/app:1-thaw")
                .containsSubsequence("--mode", "Convert")
                .containsSubsequence("--chunk-size", "4Mi")
                .containsSubsequence("--compression", "lz4")
                .containsSubsequence("--verify", "Off")
                .containsSubsequence("--chunk-dict", "docker.io/library/app@" + REQUEST.digest())
                .containsSubsequence("--platform", "linux/amd64", "--platform", "linux/arm64")
                .containsSubsequence("--plain-http", "registry.local:5000")
                .containsSubsequence("--progress", "json")
                .containsSubsequence("--result", "/dev/termination-log");
        assertThat(converter(pod).getTerminationMessagePolicy()).isEqualTo("File");
        assertThat(converter(pod).getEnv()).singleElement().satisfies(variable -> {
            assertThat(variable.getName()).isEqualTo("THAW_CA_CERTIFICATES");
            assertThat(variable.getValue()).isEqualTo("PEM");
        });
    }

    @Test
    void boundsTheJobAsTheSpecSays() {
        var converter = new LazyImageSpec.Converter(
                new ResourceRequirementsBuilder()
                        .addToLimits("ephemeral-storage", new Quantity("50Gi"))
                        .build(),
                Map.of("disk", "fast"),
                List.of(new TolerationBuilder().withKey("batch").build()),
                "90s",
                2,
                "10m");
        var job = job(LazyImageSpec.builder("app:1").converter(converter).build());
        assertThat(job.getSpec().getActiveDeadlineSeconds()).isEqualTo(90);
        assertThat(job.getSpec().getBackoffLimit())
                .as("retries are the operator's")
                .isZero();
        assertThat(job.getSpec().getTtlSecondsAfterFinished())
                .as("a result must be read before it goes")
                .isNull();
        var pod = podOf(job);
        assertThat(pod.getNodeSelector()).containsEntry("disk", "fast");
        assertThat(pod.getTolerations())
                .singleElement()
                .satisfies(toleration -> assertThat(toleration.getKey()).isEqualTo("batch"));
        assertThat(pod.getVolumes())
                .filteredOn(volume -> volume.getName().equals("work"))
                .singleElement()
                .satisfies(volume ->
                        assertThat(volume.getEmptyDir().getSizeLimit()).isEqualTo(new Quantity("50Gi")));
    }

    @Test
    void countsNoEvictionOfItsPodAsATry() {
        assertThat(job(LazyImageSpec.of("app:1"))
                        .getSpec()
                        .getPodFailurePolicy()
                        .getRules())
                .singleElement()
                .satisfies(rule -> {
                    assertThat(rule.getAction()).isEqualTo("Ignore");
                    assertThat(rule.getOnPodConditions().getFirst().getType()).isEqualTo("DisruptionTarget");
                });
    }

    @Test
    void belongsToTheLazyImageAndRemembersItsTry() {
        var job = JobShape.of(REQUEST, image(LazyImageSpec.of("app:1")), 3, JobShape.mark(7, "s:1"), SETTINGS);
        assertThat(job.getMetadata().getNamespace()).isEqualTo("team");
        assertThat(job.getMetadata().getOwnerReferences()).singleElement().satisfies(owner -> {
            assertThat(owner.getApiVersion()).isEqualTo("thaw.dev/v1alpha1");
            assertThat(owner.getKind()).isEqualTo("LazyImage");
            assertThat(owner.getUid()).isEqualTo("uid-1");
            assertThat(owner.getController()).isTrue();
        });
        assertThat(JobShape.attempt(job)).isEqualTo(3);
        assertThat(JobShape.mark(job)).isEqualTo("7/s:1");
    }

    private static Job job(LazyImageSpec spec) {
        return JobShape.of(REQUEST, image(spec), 1, "1/", SETTINGS);
    }

    private static PodSpec podOf(Job job) {
        return job.getSpec().getTemplate().getSpec();
    }

    private static Container converter(PodSpec pod) {
        return pod.getContainers().getFirst();
    }

    private static LazyImage image(LazyImageSpec spec) {
        var image = new LazyImage();
        image.setMetadata(new ObjectMetaBuilder()
                .withNamespace("team")
                .withName("app")
                .withUid("uid-1")
                .build());
        image.setSpec(spec);
        return image;
    }

    private static ConversionRequest request(String digest, List<String> platforms, String chunkSize) {
        return new ConversionRequest(
                "docker.io/library/app:1",
                "docker.io/library/app",
                digest,
                "docker.io/library/app:1-thaw",
                platforms,
                Mode.AUTO,
                chunkSize,
                Compression.ZSTD,
                Verification.FULL,
                Optional.empty());
    }
}
