package dev.thaw.operator.image;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Compression;
import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionStatus;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.Latency;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.LazyImageStatus.ColdStart;
import dev.thaw.crds.LazyImageStatus.NodeTotals;
import dev.thaw.crds.LazyImageStatus.PlatformImage;
import dev.thaw.crds.Mode;
import dev.thaw.crds.Reason;
import dev.thaw.crds.Verification;
import dev.thaw.crds.WarmupLevel;
import dev.thaw.oci.Digest;
import dev.thaw.operator.conversion.Attempt;
import dev.thaw.operator.conversion.ConversionRequest;
import dev.thaw.operator.conversion.ConversionResult;
import dev.thaw.operator.conversion.Failure;
import dev.thaw.operator.node.ImageNodes;
import dev.thaw.operator.registry.SourceImage;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class NextStatusTest {
    private static final Instant NOW = Instant.parse("2026-01-01T12:00:00Z");

    @Test
    void changesNothingWhenTheSameIsSeenAgainLater() {
        var image = image(LazyImageSpec.of("app:1"));
        var phase = new Phase.Unresolved(Failure.lasting(Reason.SOURCE_NOT_FOUND, "no such tag"), Optional.empty());
        image.setStatus(NextStatus.of(image, phase, ImageNodes.NONE, NOW));
        assertThat(NextStatus.of(image, phase, ImageNodes.NONE, NOW.plus(Duration.ofDays(1))))
                .isEqualTo(image.getStatus());

        var ready = image(LazyImageSpec.of("app:1"));
        ready.setStatus(NextStatus.of(ready, published("one", "a"), ImageNodes.NONE, NOW));
        assertThat(NextStatus.of(ready, standing("one"), ImageNodes.NONE, NOW.plusSeconds(600)))
                .isEqualTo(ready.getStatus());
    }

    @Test
    void keepsTheTimeOfAConditionWhoseStatusStays() {
        var image = image(LazyImageSpec.of("app:1"));
        image.setStatus(NextStatus.of(
                image,
                new Phase.Unresolved(Failure.passing(Reason.REGISTRY_UNAVAILABLE, "down"), Optional.empty()),
                ImageNodes.NONE,
                NOW));
        var later = NextStatus.of(
                image,
                new Phase.Unresolved(Failure.lasting(Reason.SOURCE_NOT_FOUND, "gone"), Optional.empty()),
                ImageNodes.NONE,
                NOW.plusSeconds(60));
        assertThat(later.condition(ConditionType.READY)).get().satisfies(condition -> {
            assertThat(condition.reason()).isEqualTo(Reason.SOURCE_NOT_FOUND);
            assertThat(condition.lastTransitionTime()).isEqualTo(NOW.toString());
        });
    }

    @Test
    void staysReadyAndSaysThatItIsDegradedWhenTheRegistryGoesDown() {
        var image = image(LazyImageSpec.of("app:1"));
        image.setStatus(NextStatus.of(image, published("one", "a"), ImageNodes.NONE, NOW));
        var down = NextStatus.of(
                image,
                new Phase.Unresolved(Failure.passing(Reason.REGISTRY_UNAVAILABLE, "down"), Optional.empty()),
                ImageNodes.NONE,
                NOW);
        assertThat(status(down, ConditionType.READY)).isEqualTo(ConditionStatus.TRUE);
        assertThat(status(down, ConditionType.RESOLVED)).isEqualTo(ConditionStatus.FALSE);
        assertThat(status(down, ConditionType.VERIFIED)).isEqualTo(ConditionStatus.TRUE);
        assertThat(reason(down, ConditionType.DEGRADED)).isEqualTo(Reason.SOURCE_UNREACHABLE);
        assertThat(down.lazyImage()).isEqualTo(image.getStatus().lazyImage());
    }

    @Test
    void keepsTheLastThreeImagesThatWerePublishedBefore() {
        var image = image(LazyImageSpec.of("app:1"));
        for (var digit : List.of("1", "2", "3", "4", "5", "4")) {
            image.setStatus(NextStatus.of(image, published("source " + digit, digit), ImageNodes.NONE, NOW));
        }
        assertThat(image.getStatus().lazyImage()).endsWith("4".repeat(64));
        assertThat(image.getStatus().earlier())
                .extracting(LazyImageStatus.Earlier::lazyImage)
                .extracting(reference -> reference.substring(reference.length() - 1))
                .containsExactly("5", "4", "3");
    }

    @Test
    void showsTheLogOfAFailedTry() {
        var image = image(LazyImageSpec.of("app:1"));
        var failed = new Phase.Failed(
                source("one"),
                Optional.of(request("one")),
                Optional.of(new Attempt(
                        "job-1",
                        2,
                        "1/",
                        NOW.minusSeconds(60),
                        new Attempt.Failed(Failure.lasting(Reason.DISK_FULL, "no room"), Optional.empty(), NOW))),
                Failure.lasting(Reason.DISK_FULL, "no room"),
                NOW,
                "line 1\nline 2",
                Optional.empty());
        var status = NextStatus.of(image, failed, ImageNodes.NONE, NOW);
        assertThat(status.conversion().log()).isEqualTo("line 1\nline 2");
        assertThat(status.conversion().attempts()).isEqualTo(2);
        assertThat(status.condition(ConditionType.READY).orElseThrow().message())
                .contains("no room")
                .endsWith("line 2");
        assertThat(reason(status, ConditionType.READY)).isEqualTo(Reason.DISK_FULL);
    }

    @Test
    void comparesColdStartsWithTheObjective() {
        var image = image(LazyImageSpec.builder("app:1")
                .slo(new LazyImageSpec.Slo("500ms", "10s"))
                .build());
        assertThat(objective(image, null)).isEqualTo(Reason.NO_SAMPLES);
        assertThat(objective(image, coldStart("0.50s", "9.99s"))).isEqualTo(Reason.WITHIN_OBJECTIVE);
        assertThat(objective(image, coldStart("0.51s", "9.99s"))).isEqualTo(Reason.ABOVE_OBJECTIVE);
        assertThat(objective(image, coldStart("0.40s", "12.0s"))).isEqualTo(Reason.ABOVE_OBJECTIVE);
        assertThat(objective(image(LazyImageSpec.of("app:1")), coldStart("1s", "1s")))
                .isEqualTo(Reason.UNKNOWN);
    }

    @Test
    void dropsAConditionThatNothingAsksForAnyMore() {
        var image = image(LazyImageSpec.builder("app:1")
                .slo(new LazyImageSpec.Slo("1s", null))
                .warmup(new LazyImageSpec.Warmup(Map.of(), WarmupLevel.FULL, 1))
                .build());
        image.setStatus(NextStatus.of(image, new Phase.Suspended(), ImageNodes.NONE, NOW));
        assertThat(reason(image.getStatus(), ConditionType.WARM)).isEqualTo(Reason.WARMING);
        image.setSpec(LazyImageSpec.of("app:1"));
        assertThat(NextStatus.of(image, new Phase.Suspended(), ImageNodes.NONE, NOW)
                        .conditions())
                .extracting(Condition::type)
                .doesNotContain(ConditionType.SLO_MET, ConditionType.WARM);
    }

    @Test
    void isDegradedWhileNodesCannotServeTheImage() {
        var image = image(LazyImageSpec.of("app:1"));
        var nodes = new ImageNodes(NodeTotals.of(3, 1, 0, 0, 2, 50), List.of(), null, null, null);
        var status = NextStatus.of(image, published("one", "a"), nodes, NOW);
        assertThat(reason(status, ConditionType.DEGRADED)).isEqualTo(Reason.NODES_FAILING);
        assertThat(status.condition(ConditionType.DEGRADED).orElseThrow().message())
                .contains("2 nodes");
        assertThat(status(status, ConditionType.READY)).isEqualTo(ConditionStatus.TRUE);
    }

    @Test
    void saysThatATreeWasNotComparedWhereTheSpecWantsNone() {
        var image = image(LazyImageSpec.of("app:1"));
        var result = result("a", false);
        var attempt = new Attempt("job", 1, "1/", NOW, new Attempt.Succeeded(result, NOW));
        var phase = new Phase.Ready(
                source("one"), request("one"), Optional.of(new Phase.News(attempt, result, NOW)), Optional.empty());
        assertThat(reason(NextStatus.of(image, phase, ImageNodes.NONE, NOW), ConditionType.VERIFIED))
                .isEqualTo(Reason.VERIFICATION_OFF);
    }

    private static Reason objective(LazyImage image, ColdStart figures) {
        return reason(
                NextStatus.of(image, new Phase.Suspended(), new ImageNodes(null, List.of(), figures, null, null), NOW),
                ConditionType.SLO_MET);
    }

    private static ColdStart coldStart(String entrypoint, String ready) {
        return new ColdStart(5, new Latency("0.1s", entrypoint), new Latency("1s", ready), 0, 0, null, null);
    }

    private static Phase published(String source, String digit) {
        var result = result(digit, true);
        var attempt = new Attempt("job-" + digit, 1, "1/", NOW, new Attempt.Succeeded(result, NOW));
        return new Phase.Ready(
                source(source), request(source), Optional.of(new Phase.News(attempt, result, NOW)), Optional.empty());
    }

    private static Phase standing(String source) {
        return new Phase.Ready(source(source), request(source), Optional.empty(), Optional.empty());
    }

    private static ConversionResult.Published result(String digit, boolean verified) {
        var digest = "sha256:" + digit.repeat(64);
        return new ConversionResult.Published(
                "docker.io/library/app@" + digest,
                digest,
                Mode.CONVERT,
                "default",
                List.of(new PlatformImage("linux/amd64", digest, digest, digest, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0)),
                1,
                1,
                Duration.ofSeconds(3),
                100,
                verified);
    }

    private static SourceImage source(String content) {
        return new SourceImage(
                Digest.sha256(content.getBytes(StandardCharsets.UTF_8)),
                "application/vnd.oci.image.index.v1+json",
                List.of());
    }

    private static ConversionRequest request(String content) {
        return new ConversionRequest(
                "docker.io/library/app:1",
                "docker.io/library/app",
                source(content).digest().toString(),
                "docker.io/library/app:1-thaw",
                List.of(),
                Mode.AUTO,
                "1Mi",
                Compression.ZSTD,
                Verification.FULL,
                Optional.empty());
    }

    private static LazyImage image(LazyImageSpec spec) {
        var image = new LazyImage();
        image.setMetadata(new ObjectMetaBuilder()
                .withNamespace("team")
                .withName("app")
                .withGeneration(1L)
                .build());
        image.setSpec(spec);
        return image;
    }

    private static ConditionStatus status(LazyImageStatus status, ConditionType type) {
        return status.condition(type).orElseThrow().status();
    }

    private static Reason reason(LazyImageStatus status, ConditionType type) {
        return status.condition(type).map(Condition::reason).orElse(Reason.UNKNOWN);
    }
}
