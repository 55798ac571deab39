package dev.thaw.crds;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ResourceRequirementsBuilder;
import io.fabric8.kubernetes.api.model.TolerationBuilder;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class RoundTripTest {
    private final KubernetesSerialization serialization = new KubernetesSerialization();

    @Test
    void theDefaultsOfTheRecordsAreThoseOfTheSchema() throws Exception {
        var image = Definitions.YAML.readTree("{image: 'r.example/a:1'}");
        Definitions.applyDefaults(image, Definitions.spec("lazyimages"));
        assertThat(tree(LazyImageSpec.of("r.example/a:1"))).isEqualTo(image);

        var config = Definitions.YAML.readTree("{}");
        Definitions.applyDefaults(config, Definitions.spec("snapshotterconfigs"));
        assertThat(tree(SnapshotterConfigSpec.DEFAULT))
                .isEqualTo(Definitions.YAML
                        .readerForUpdating(config.deepCopy())
                        .readTree("{credentials: [{type: LazyImageSecrets}]}"));
    }

    @Test
    void aBareObjectReadsAsOneThatMetAnApiServer() {
        var image = serialization.unmarshal(
                "---\n{apiVersion: thaw.dev/v1alpha1, kind: LazyImage, spec: {image: 'a:1'}}", LazyImage.class);
        assertThat(image.getSpec()).isEqualTo(LazyImageSpec.of("a:1"));
        var config = serialization.unmarshal(
                "---\n{apiVersion: thaw.dev/v1alpha1, kind: SnapshotterConfig, spec: {}}", SnapshotterConfig.class);
        assertThat(config.getSpec()).isEqualTo(SnapshotterConfigSpec.DEFAULT);
    }

    @Test
    void partsOfAnObjectKeepTheDefaultsOfTheRest() {
        var config = serialization.unmarshal("""
                apiVersion: thaw.dev/v1alpha1
                kind: SnapshotterConfig
                spec:
                  containerd: {install: None}
                  cache: {maxSize: 1Ti}
                  updateStrategy: {maxUnavailable: 2}
                  mirrors:
                  - host: docker.io
                    endpoints: [{url: "http://127.0.0.1:4001"}]
                """, SnapshotterConfig.class);
        var spec = config.getSpec();
        assertThat(spec.containerd().restartMethod()).isEqualTo(RestartMethod.NONE);
        assertThat(spec.containerd().runtimeHandlers()).containsExactly("runc");
        assertThat(spec.cache().maxBytes()).isEqualTo(ByteSize.of(1L << 40));
        assertThat(spec.cache().highWatermark()).isEqualTo(90);
        assertThat(spec.updateStrategy().maxUnavailable().getIntVal()).isEqualTo(2);
        assertThat(spec.mirrors().getFirst().fallback()).isTrue();
        assertThat(spec.mirrors().getFirst().endpoints().getFirst().healthPath())
                .isEqualTo("/v2/");
        assertThat(SnapshotterConfigSpec.DEFAULT.containerd().restartMethod()).isEqualTo(RestartMethod.SYSTEMD);
    }

    @Test
    void fieldsOfANewerVersionAreIgnored() {
        var image = serialization.unmarshal(
                "---\n{apiVersion: thaw.dev/v1alpha1, kind: LazyImage, spec: {image: 'a:1', novelty: {deep: 1}},"
                        + " status: {conditions: [{type: Ready, status: 'False', reason: Novelty}]}}",
                LazyImage.class);
        assertThat(image.getSpec().image()).isEqualTo("a:1");
        assertThat(image.getStatus()
                        .condition(ConditionType.READY)
                        .orElseThrow()
                        .reason())
                .isEqualTo(Reason.UNKNOWN);
    }

    @Test
    void aFullLazyImageSurvivesTheWayThroughYaml() {
        var image = new LazyImage();
        image.setMetadata(
                new ObjectMetaBuilder().withName("a").withNamespace("n").build());
        image.setSpec(LazyImageSpec.builder("r.example/a:1")
                .resolve(new LazyImageSpec.Resolve(ResolvePolicy.PIN, "1h"))
                .platforms(List.of("linux/amd64", "linux/arm64/v8"))
                .mode(Mode.CONVERT)
                .target(new LazyImageSpec.Target("r.example/b", "x"))
                .pullSecrets(List.of(new LazyImageSpec.SecretName("pull")))
                .pushSecret(new LazyImageSpec.SecretName("push"))
                .chunkSize("4Mi")
                .compression(Compression.LZ4)
                .chunkDictRef(new LazyImageSpec.LazyImageName("earlier"))
                .prefetch(new LazyImageSpec.Prefetch(PrefetchPolicy.PATHS, List.of("/usr/bin/python3")))
                .backgroundFetch(BackgroundFetch.NEVER)
                .verification(Verification.OFF)
                .warmup(new LazyImageSpec.Warmup(Map.of("gpu", "true"), WarmupLevel.FULL, 3))
                .slo(new LazyImageSpec.Slo("500ms", "30s"))
                .converter(new LazyImageSpec.Converter(
                        new ResourceRequirementsBuilder()
                                .addToRequests("cpu", new Quantity("2"))
                                .build(),
                        Map.of("pool", "build"),
                        List.of(new TolerationBuilder()
                                .withKey("build")
                                .withOperator("Exists")
                                .build()),
                        "2h",
                        1,
                        "10m"))
                .deletionPolicy(DeletionPolicy.DELETE)
                .suspend(true)
                .build());
        var platform = new LazyImageStatus.PlatformImage(
                "linux/amd64", "sha256:a", "sha256:b", "sha256:c", 5, 2, 900, 80, 100, 1000, 120, 40, 7, 250);
        image.setStatus(LazyImageStatus.builder()
                .observedGeneration(3L)
                .conditions(Condition.merge(
                        List.of(),
                        List.of(Condition.of(ConditionType.READY, ConditionStatus.TRUE, Reason.SERVING)),
                        3L,
                        Instant.parse("2026-01-02T03:04:05.678Z")))
                .source(new LazyImageStatus.Source("sha256:d", null, "2026-01-02T03:04:05Z"))
                .lazyImage("r.example/b@sha256:e")
                .mode(Mode.CONVERT)
                .modeReason("spec.mode")
                .conversion(
                        new LazyImageStatus.Conversion("job", "sha256:d", "o", 1, "2026-01-02T03:04:05Z", null, null))
                .artifact(LazyImageStatus.Artifact.of(List.of(platform), Duration.ofMillis(41_200), 212L << 20))
                .platforms(List.of(platform))
                .earlier(List.of(new LazyImageStatus.Earlier("r.example/b@sha256:f", "sha256:0", List.of(platform))))
                .progress(LazyImageStatus.Progress.of(ConversionPhase.VERIFY, 41, 100))
                .coldStart(new LazyImageStatus.ColdStart(
                        2, new Latency("0.42s", "0.90s"), null, 10, 20, "6%", "2026-01-02T03:04:05Z"))
                .nodeTotals(LazyImageStatus.NodeTotals.of(5, 3, 2, 1, 1, 63))
                .nodes(List.of(
                        new LazyImageStatus.NodeReport("node0", NodePhase.WARM, 63, null, "0.42s", null, 0, null)))
                .build());

        var yaml = serialization.asYaml(image);
        var back = serialization.unmarshal(yaml, LazyImage.class);

        assertThat(back.getSpec()).isEqualTo(image.getSpec());
        assertThat(back.getStatus()).isEqualTo(image.getStatus());
        assertThat(serialization.asYaml(back)).isEqualTo(yaml);
        assertThat(back.getSpec().toBuilder().build()).isEqualTo(back.getSpec());
        assertThat(back.getStatus().toBuilder().build()).isEqualTo(back.getStatus());
        assertThat(back.getStatus().artifact())
                .extracting(
                        LazyImageStatus.Artifact::duplicateRatio,
                        LazyImageStatus.Artifact::sharedRatio,
                        LazyImageStatus.Artifact::duration,
                        LazyImageStatus.Artifact::throughput)
                .containsExactly("25%", "25%", "41.2s", "212Mi/s");
        assertThat(yaml)
                .contains("summary: \"3/5\"")
                .contains("cached: \"63%\"")
                .contains("percent: \"41%\"");
    }

    @Test
    void aFullSnapshotterConfigStatusSurvivesTheWayThroughYaml() {
        var versions = List.of(
                new SnapshotterConfigStatus.VersionSeen(
                        "2.1.9", "6.8.0", "Fuse", "driver erofs does not work here", "0.1.0", 1),
                new SnapshotterConfigStatus.VersionSeen("2.1.9", "6.18.0", "Erofs", null, "0.1.0", 12));
        var status = SnapshotterConfigStatus.builder()
                .observedGeneration(1L)
                .nodes(new SnapshotterConfigStatus.Nodes(13, 13, 12, 1))
                .drivers(SnapshotterConfigStatus.summary(versions))
                .cache(SnapshotterConfigStatus.CacheUse.of(412L << 30, 1229L << 30))
                .runtimeClasses(List.of("runc-lazy"))
                .versions(versions)
                .problems(List.of(new SnapshotterConfigStatus.Problem("node0", "Containerd", "too old", null)))
                .build();
        var config = new SnapshotterConfig();
        config.setStatus(status);

        var back = serialization.unmarshal(serialization.asYaml(config), SnapshotterConfig.class);

        assertThat(back.getStatus()).isEqualTo(status);
        assertThat(status.drivers()).isEqualTo("Erofs:12,Fuse:1");
        assertThat(status.cache().summary()).isEqualTo("412Gi/1.2Ti");
        assertThat(status.toBuilder().build()).isEqualTo(status);
    }

    @Test
    void anEmptyStatusWritesNothing() {
        assertThat(serialization.asJson(LazyImageStatus.EMPTY)).isEqualTo("{}");
        assertThat(serialization.asJson(SnapshotterConfigStatus.EMPTY)).isEqualTo("{}");
    }

    private JsonNode tree(Object value) throws Exception {
        return Definitions.YAML.readTree(serialization.asJson(value));
    }
}
