package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.converter.ConversionRequest.Mode;
import dev.thaw.converter.SourceFixture.Layer;
import dev.thaw.converter.publish.LazyDocuments;
import dev.thaw.converter.publish.LazyNames;
import dev.thaw.converter.published.BootstrapLayer;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.registry.Repository.Side;
import dev.thaw.converter.registry.Traffic;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.ConversionResult;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.report.Phase;
import dev.thaw.converter.report.Progress;
import dev.thaw.converter.report.StopSignal;
import dev.thaw.converter.tar.TarFile;
import dev.thaw.oci.Credential;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Document;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Platform;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class ConverterTest extends ConversionSetUp {
    private static final Platform AMD64 = new Platform("linux", "amd64");
    private static final Platform ARM64 = new Platform("linux", "arm64");

    private ImageManifest addSample() {
        return SourceFixture.addImage(registry, REPOSITORY, "1.0", SourceFixture.sampleLayers(AMD64));
    }

    private ImageIndex published(ConversionResult result) {
        return (ImageIndex)
                Document.parse(registry.manifest(REPOSITORY, result.tag()).orElseThrow(), MediaTypes.OCI_INDEX);
    }

    private ImageManifest manifest(Descriptor descriptor) {
        return (ImageManifest) Document.parse(
                registry.manifest(REPOSITORY, descriptor.digest().toString()).orElseThrow(), null);
    }

    private void assertFails(FailureReason reason, String message) {
        assertFails(conversions.request(source), reason, message);
    }

    private void assertFails(ConversionRequest request, FailureReason reason, String message) {
        assertThatThrownBy(() -> conversions.run(request))
                .isInstanceOfSatisfying(
                        ConversionException.class, e -> assertThat(e.reason()).isEqualTo(reason))
                .hasMessageContaining(message);
        assertThat(registry.manifest(REPOSITORY, "1.0-thaw"))
                .as("the target's tag")
                .isEmpty();
    }

    @Test
    void convertsAnImageOfManyKindsOfFilesAndVerifiesEveryOne() throws Exception {
        var manifest = addSample();

        var result = conversions.run(source);

        assertThat(result.isVerified()).isTrue();
        assertThat(result.verifiedEntries()).isEqualTo(19);
        assertThat(result.sourceDigest()).isEqualTo(manifest.digest().toString());
        assertThat(result.tag()).isEqualTo("1.0-thaw");
        var platform = result.platforms().getFirst();
        assertThat(platform.layers()).isEqualTo(3);
        assertThat(platform.contentBytes())
                .isEqualTo(20_000
                        + 20_000
                        + 5000
                        + "root".length()
                        + "the implied parent keeps 1777".length()
                        + "new".length());
        assertThat(platform.duplicateBytes()).as("a file that two layers hold").isEqualTo(20_000);
        assertThat(platform.sourceBytes())
                .isEqualTo(manifest.layers().stream()
                        .mapToLong(Descriptor::sizeBytes)
                        .sum());
    }

    @Test
    void publishesAnIndexWhoseLazyManifestComesFirst() throws Exception {
        var manifest = addSample();

        var index = published(conversions.run(source));

        assertThat(index.manifests()).hasSize(2);
        var lazy = index.manifests().get(0);
        var artifact = index.manifests().get(1);
        assertThat(lazy.platform()).isEqualTo(AMD64);
        assertThat(lazy.artifactType()).isNull();
        assertThat(artifact.platform()).isEqualTo(AMD64);
        assertThat(artifact.artifactType()).isEqualTo(LazyNames.NYDUS_MANIFEST);
        assertThat(manifest(artifact).subject()).isEqualTo(manifest.descriptor());
        assertThat(manifest(artifact).annotations())
                .isEqualTo(Map.of("thaw.dev/mode", "Convert", "thaw.dev/layers", "3", "thaw.dev/format", "1"));
        var layers = manifest(artifact).layers();
        assertThat(layers).hasSize(3); // two layers with contents, and the bootstrap
        assertThat(layers.getFirst().mediaType()).isEqualTo(LazyNames.NYDUS_BLOB);
        assertThat(layers.getLast().annotations())
                .isEqualTo(Map.of(
                        "containerd.io/snapshot/nydus-bootstrap",
                        "true",
                        "containerd.io/snapshot/nydus-fs-version",
                        "6"));
    }

    @Test
    void theLazyManifestHoldsTheSourcesLayersAboveTheMarker() throws Exception {
        var manifest = addSample();
        var index = published(conversions.run(source));
        var artifact = index.manifests().get(1).digest().toString();

        var lazy = manifest(index.manifests().getFirst());

        assertThat(lazy.layers()).hasSize(4);
        assertThat(lazy.layers().getFirst().sizeBytes()).isLessThan(200);
        for (var i = 0; i < 3; i++) {
            assertThat(lazy.layers().get(i + 1).digest())
                    .isEqualTo(manifest.layers().get(i).digest());
        }
        assertThat(lazy.layers())
                .allSatisfy(layer -> assertThat(layer.annotations())
                        .isEqualTo(Map.of("containerd.io/snapshot/thaw.dev.image", artifact)));
    }

    @Test
    void theConfigurationIsTheSourcesWithLabelAndMarker() throws Exception {
        var manifest = addSample();
        var json = new ObjectMapper();
        var before = json.readTree(
                registry.blob(REPOSITORY, manifest.config().digest()).orElseThrow());

        var lazy = manifest(published(conversions.run(source)).manifests().getFirst());
        var bytes = registry.blob(REPOSITORY, lazy.config().digest()).orElseThrow();
        var after = json.readTree(bytes);

        assertThat(after.path("config").path("Labels").path("thaw.dev/source").asText())
                .isEqualTo(manifest.digest().toString());
        assertThat(after.path("config").path("Labels").path("a").asText()).isEqualTo("b");
        assertThat(after.path("config").path("Env"))
                .isEqualTo(before.path("config").path("Env"));
        assertThat(after.path("rootfs").path("diff_ids")).hasSize(4);
        for (var i = 0; i < 3; i++) {
            assertThat(after.path("rootfs").path("diff_ids").path(i + 1))
                    .isEqualTo(before.path("rootfs").path("diff_ids").path(i));
        }
        assertThat(after.path("history")).hasSize(4);
        assertThat(new String(bytes, StandardCharsets.UTF_8))
                .contains("\"x.number\":1.50")
                .contains("\"moby.buildkit\":{\"z\":1,\"a\":2}");
    }

    @Test
    void convertsDockerImagesAndCallsTheirLayersByTheOciNames() throws Exception {
        var layers = SourceFixture.sampleLayers(AMD64).stream()
                .map(layer -> SourceFixture.as(
                        switch (layer.mediaType()) {
                            case MediaTypes.OCI_LAYER_GZIP -> MediaTypes.DOCKER_LAYER_GZIP;
                            case MediaTypes.OCI_LAYER_ZSTD -> MediaTypes.DOCKER_LAYER_ZSTD;
                            default -> MediaTypes.DOCKER_LAYER_TAR;
                        },
                        layer))
                .toList();
        SourceFixture.addDockerImage(registry, REPOSITORY, "1.0", layers);

        var lazy = manifest(published(conversions.run(source)).manifests().getFirst());

        assertThat(lazy.mediaType()).isEqualTo(MediaTypes.OCI_MANIFEST);
        assertThat(lazy.config().mediaType()).isEqualTo(MediaTypes.OCI_CONFIG);
        assertThat(lazy.layers().stream().map(Descriptor::mediaType))
                .containsExactly(
                        MediaTypes.OCI_LAYER_GZIP,
                        MediaTypes.OCI_LAYER_GZIP,
                        MediaTypes.OCI_LAYER_ZSTD,
                        MediaTypes.OCI_LAYER_TAR);
    }

    private void addIndex() {
        var entries = new ArrayList<Descriptor>();
        for (var platform : List.of(AMD64, ARM64, new Platform("windows", "amd64"))) {
            var image =
                    SourceFixture.addImage(registry, REPOSITORY, null, platform, SourceFixture.sampleLayers(platform));
            entries.add(image.descriptor().withPlatform(platform));
        }
        entries.add(entries.getFirst()
                .withPlatform(new Platform("unknown", "unknown"))
                .withAnnotation("vnd.docker.reference.type", "attestation-manifest"));
        SourceFixture.addIndex(registry, REPOSITORY, "1.0", entries);
    }

    @Test
    void convertsAllLinuxPlatformsOfAnIndex() throws Exception {
        addIndex();

        var result = conversions.run(source);

        assertThat(result.platforms()).hasSize(2);
        assertThat(published(result).manifests().stream().map(Descriptor::platform))
                .containsExactly(AMD64, ARM64, AMD64, ARM64);
        assertThat(published(result).manifests().stream().map(entry -> entry.artifactType() != null))
                .containsExactly(false, false, true, true);
    }

    @Test
    void convertsThePlatformsAskedFor() throws Exception {
        addIndex();
        var target = ConversionRequest.defaultTarget(source);

        var result = conversions.run(
                conversions.request(source, target, List.of(Platform.parse("linux/aarch64/v8")), true, 2));

        assertThat(result.platforms()).hasSize(1);
        assertThat(result.platforms().getFirst().platform()).isEqualTo("linux/arm64");
    }

    @Test
    void saysWhichPlatformsThereAreIfOneIsMissing() {
        addIndex();
        var target = ConversionRequest.defaultTarget(source);

        assertFails(
                conversions.request(source, target, List.of(Platform.parse("linux/s390x")), true, 2),
                FailureReason.PlatformNotFound,
                "linux/amd64, linux/arm64, windows/amd64");
    }

    @Test
    void aSecondRunReadsNoDataOfLayersAndPushesNothing() throws Exception {
        var manifest = addSample();
        var first = conversions.run(source);
        registry.forgetRequests();
        var target = ConversionRequest.defaultTarget(source);

        var second = conversions.run(conversions.request(source, target, List.of(), false, 2));

        assertThat(second.lazyDigest()).isEqualTo(first.lazyDigest());
        assertThat(second.platforms().getFirst().reusedLayers()).isEqualTo(3);
        for (var layer : manifest.layers()) {
            assertThat(registry.requests("GET", "/blobs/" + layer.digest())).isEmpty();
        }
        for (var method : List.of("PUT", "POST", "PATCH")) {
            assertThat(registry.requests(method, "")).as(method).isEmpty();
        }
        assertThat(second.bytesPushed()).isZero();
    }

    @Test
    void anInterruptedConversionGoesOnWithTheLayersThatWereFinished() throws Exception {
        var manifest = addSample();
        var first = manifest.layers().getFirst().digest();
        var last = manifest.layers().getLast().digest();
        registry.fail(1, "GET", "/blobs/" + last, 404);
        var target = ConversionRequest.defaultTarget(source);
        assertFails(conversions.request(source, target, List.of(), true, 1), FailureReason.SourceNotFound, "404");
        registry.forgetRequests();

        var result = conversions.run(conversions.request(source, target, List.of(), false, 1));

        assertThat(result.platforms().getFirst().reusedLayers()).isPositive();
        assertThat(registry.requests("GET", "/blobs/" + first)).isEmpty();
        assertThat(registry.requests("GET", "/blobs/" + last)).isNotEmpty();
    }

    @Test
    void worksWithARegistryThatHasNoReferrers() throws Exception {
        registry.withoutReferrersApi();
        addSample();
        conversions.run(source);

        var second = conversions.run(source);

        assertThat(second.platforms().getFirst().reusedLayers()).isEqualTo(3);
    }

    @Test
    void imagesThatShareALayerShareItsBlob() throws Exception {
        addSample();
        conversions.run(source);
        var layers = new ArrayList<>(SourceFixture.sampleLayers(AMD64));
        layers.add(SourceFixture.gzip(new TarFile().file("more", "more").bytes()));
        SourceFixture.addImage(registry, REPOSITORY, "2.0", layers);

        var result = conversions.run(source.withTag("2.0"));

        assertThat(result.platforms().getFirst().reusedLayers()).isEqualTo(3);
    }

    @Test
    void convertsALayerThatOccursTwiceOnce() throws Exception {
        var layer = SourceFixture.gzip(new TarFile().file("a", "a").bytes());
        var between = SourceFixture.gzip(new TarFile().file(".wh.a", "").bytes());
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(layer, between, layer));

        var result = conversions.run(source);

        assertThat(manifest(published(result).manifests().getLast()).layers()).hasSize(2);
        assertThat(result.verifiedEntries()).isEqualTo(1);
    }

    @Test
    void convertsImagesWithoutAnyContent() throws Exception {
        var empty = SourceFixture.gzip(new TarFile().bytes());
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(empty));

        var result = conversions.run(source);

        assertThat(result.platforms().getFirst().chunks()).isZero();
        assertThat(manifest(published(result).manifests().getLast()).layers()).hasSize(1);
    }

    @Test
    void theResultDoesNotDependOnParallelism() throws Exception {
        addIndex();
        var one = conversions.run(conversions.request(source, source.withTag("one"), List.of(), true, 1));
        var request = new ConversionRequest(
                source, source.withTag("four"), List.of(), Conversions.SMALL_CHUNKS, Mode.Auto, false, true, 4, work);

        var four = conversions.run(request);

        assertThat(four.lazyDigest()).isEqualTo(one.lazyDigest());
        assertThat(four.platforms().getFirst().reusedLayers()).isZero();
        assertThat(four.modeReason()).contains("Auto chooses Convert");
    }

    @Test
    void copiesTheLayersIntoAnotherRepository() throws Exception {
        registry.withoutMounts();
        var manifest = addSample();
        var target = registry.repository("other/place").withTag("lazy");

        conversions.run(conversions.request(source, target, List.of(), true, 2));

        for (var layer : manifest.layers()) {
            assertThat(registry.blob("other/place", layer.digest())).isPresent();
        }
        assertThat(registry.manifest("other/place", "lazy")).isPresent();
    }

    @Test
    void mountsTheLayersWhereTheRegistryDoesThat() throws Exception {
        addSample();
        var target = registry.repository("other/place").withTag("lazy");
        conversions.run(conversions.request(source, target, List.of(), false, 2));
        assertThat(registry.requests("POST", "other/place"))
                .anyMatch(seen -> String.valueOf(seen.query()).contains("mount="));
    }

    // --- verification

    /** Converts, and returns the sentences that were said of it. */
    private List<String> sentences(ConversionRequest request) throws ConversionException {
        var sentences = new ArrayList<String>();
        conversions.run(request, new StopSignal(), new Progress() {
            @Override
            public void begin(Phase phase, long bytesTotal) {}

            @Override
            public void advance(long bytes) {}

            @Override
            public void say(String sentence) {
                sentences.add(sentence);
            }
        });
        return sentences;
    }

    /** Verification must find the difference, and converting anew must make it good. */
    private void assertConvertedAnew(String difference) throws Exception {
        var request = conversions.request(source);
        assertThat(sentences(request)).anySatisfy(said -> assertThat(said).contains("Converting", "anew", difference));
        var second = sentences(request);
        assertThat(second).noneMatch(said -> said.contains("anew"));
        assertThat(conversions.run(request).platforms().getFirst().reusedLayers())
                .isEqualTo(conversions.run(request).platforms().getFirst().layers());
    }

    @Test
    void aChunkThatWasFlippedInTheRegistryIsNoticedAndPushedAgain() throws Exception {
        var noise = SourceFixture.noise(9, 200_000); // long enough that the middle of the blob is data
        var layer = SourceFixture.gzip(new TarFile().file("noise", noise).bytes());
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(layer));
        var target = ConversionRequest.defaultTarget(source);
        var result = conversions.run(conversions.request(source, target, List.of(), false, 2));
        var blob = registry.blob(
                        REPOSITORY,
                        manifest(published(result).manifests().getLast())
                                .layers()
                                .getFirst()
                                .digest())
                .orElseThrow();
        conversions.client().deleteManifest(source.withTag("1.0-thaw"));

        blob[blob.length / 3] ^= 1; // the registry hands out its own array

        assertConvertedAnew("chunk");
    }

    @Test
    void verificationNoticesAWrongMode() throws Exception {
        var right =
                SourceFixture.gzip(new TarFile().mode(0644).file("f", "same").bytes());
        var wrong =
                SourceFixture.gzip(new TarFile().mode(0755).file("f", "same").bytes());
        SourceFixture.addImage(registry, REPOSITORY, "other", List.of(wrong));
        var other = conversions.run(source.withTag("other"));
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(right));
        var blob = manifest(published(other).manifests().getLast()).layers().getFirst();
        forgeRecord(right, blob);

        assertConvertedAnew("/f has mode 0755, the source has 0644");
    }

    @Test
    void aLayerRecordThatLeadsToNoBlobOfALayerIsTakenBack() throws Exception {
        addSample();
        var noBlob = registry.addBlob(REPOSITORY, LazyNames.NYDUS_BLOB, new byte[5000]);
        forgeRecord(SourceFixture.sampleLayers(AMD64).getFirst(), noBlob);

        assertConvertedAnew("its record leads to something else");
    }

    private void forgeRecord(Layer layer, Descriptor blob) {
        var options = ConversionRequest.canonical(Conversions.SMALL_CHUNKS);
        registry.addManifest(REPOSITORY, null, LazyDocuments.layerRecord(layer.descriptor(), blob, options));
    }

    @Test
    void aLayerRecordThatLeadsToAnotherLayersBlobIsTakenBack() throws Exception {
        addSample();
        var right = SourceFixture.sampleLayers(AMD64).getFirst();
        var tar = new TarFile().mode(0600).file("bin/sh", "other").bytes();
        SourceFixture.addImage(registry, REPOSITORY, "other", List.of(SourceFixture.gzip(tar)));
        var other = conversions.run(source.withTag("other"));
        var blob = manifest(published(other).manifests().getLast()).layers().getFirst();
        forgeRecord(right, blob);

        assertConvertedAnew("differs from its source");
    }

    // --- failures

    @Test
    void namesASourceThatIsNotThere() {
        assertFails(FailureReason.SourceNotFound, "team/app:1.0");
    }

    @Test
    void namesALayerThatIsNotThere() {
        var layers = SourceFixture.sampleLayers(AMD64);
        addSample();
        registry.fail(100, "GET", "/blobs/" + layers.getFirst().descriptor().digest(), 404);

        assertFails(FailureReason.SourceNotFound, "404");
    }

    @Test
    void saysThatCredentialsAreMissing() {
        registry.wantsBasic("user", "secret");
        addSample();

        assertFails(FailureReason.SourceUnauthorized, "give a credential");
    }

    @Test
    void saysThatPushingIsForbidden() {
        addSample();
        registry.fail(100, "POST", "/blobs/uploads", 403);

        assertFails(FailureReason.TargetForbidden, "403");
    }

    @Test
    void saysThatTheRegistryIsDown() {
        addSample();
        registry.fail(100, "GET", "/manifests/1.0", 503);

        assertFails(FailureReason.RegistryUnavailable, "503");
    }

    @Test
    void findsALayerWhoseBytesAreNotThoseOfItsDigest() {
        addSample();
        var layer = SourceFixture.sampleLayers(AMD64).getLast().descriptor(); // a plain tar
        registry.tamper(100, "/blobs/" + layer.digest());

        assertFails(FailureReason.CorruptLayer, layer.digest().toString());
    }

    @Test
    void findsALayerWithAnotherDiffId() {
        var good = SourceFixture.sampleLayers(AMD64).getFirst();
        var bad = new Layer(good.mediaType(), good.stored(), Digest.sha256(new byte[] {1}));
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(bad));

        assertFails(FailureReason.CorruptLayer, "configuration says");
    }

    @Test
    void findsATruncatedLayer() {
        var good = SourceFixture.sampleLayers(AMD64).getFirst();
        var cut = new Layer(good.mediaType(), Arrays.copyOf(good.stored(), good.stored().length / 2), good.diffId());
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(cut));

        assertFails(FailureReason.CorruptLayer, "cannot be unpacked");
    }

    @Test
    void refusesAnUnsafeLayer() {
        var tar = new TarFile().file("a", "").file("a/b", "").bytes();
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(SourceFixture.gzip(tar)));

        assertFails(FailureReason.UnsafeLayer, "is not a directory");
    }

    @Test
    void refusesLayersOfOtherKinds() {
        for (var type : List.of(
                MediaTypes.DOCKER_FOREIGN_LAYER_GZIP,
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
                "application/vnd.example.layer")) {
            var layer = SourceFixture.as(type, SourceFixture.sampleLayers(AMD64).getFirst());
            SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(layer));

            assertFails(FailureReason.UnsupportedMediaType, type);
        }
    }

    @Test
    void refusesArtifactsThatAreNoImages() {
        var config = registry.addBlob(REPOSITORY, "application/vnd.example.config", new byte[] {'{', '}'});
        registry.addManifest(REPOSITORY, "1.0", ImageManifest.of(config, List.of(), null, null, Map.of()));

        assertFails(FailureReason.UnsupportedMediaType, "no container image");
    }

    @Test
    void leavesTheOldTagWhenANewConversionFails() throws Exception {
        addSample();
        var before = conversions.run(source);
        var layers = new ArrayList<>(SourceFixture.sampleLayers(AMD64));
        layers.add(SourceFixture.gzip(new TarFile().hardLink("a", "missing").bytes()));
        SourceFixture.addImage(registry, REPOSITORY, "1.0", layers);

        assertThatThrownBy(() -> conversions.run(source)).hasMessageContaining("points to missing");

        assertThat(published(before).digest()).hasToString(before.lazyDigest());
    }

    @Test
    void stopsWhenToldAndTakesUploadsBack() {
        addSample();
        var stop = new StopSignal();
        stop.stop("SIGTERM");

        assertThatThrownBy(() -> conversions.run(conversions.request(source), stop))
                .isInstanceOfSatisfying(
                        ConversionException.class, e -> assertThat(e.reason()).isEqualTo(FailureReason.Internal))
                .hasMessageContaining("stopped by SIGTERM");
        assertThat(registry.manifest(REPOSITORY, "1.0-thaw")).isEmpty();
    }

    @Test
    void stopsInTheMiddleOfALayerAndTakesItsUploadBack() {
        var layer = SourceFixture.gzip(
                new TarFile().file("noise", SourceFixture.noise(1, 3_000_000)).bytes());
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(layer));
        var stop = new StopSignal();
        stop.watch(Thread.currentThread());
        var uploadsThen = new AtomicInteger();
        var stopper = new Progress() {
            @Override
            public void begin(Phase phase, long bytesTotal) {}

            @Override
            public void advance(long bytes) {
                uploadsThen.set(registry.openUploads());
                if (uploadsThen.get() > 0) {
                    stop.stop("a test");
                }
            }

            @Override
            public void say(String sentence) {}
        };

        assertThatThrownBy(() -> conversions.run(conversions.request(source), stop, stopper))
                .hasMessageContaining("stopped by a test");

        assertThat(Thread.interrupted()).isTrue();
        assertThat(uploadsThen).hasPositiveValue();
        await().atMost(Duration.ofMinutes(1)).until(() -> registry.openUploads() == 0); // by the worker that held it
    }

    @Test
    void saysThatTheDiskIsFull() throws Exception {
        var full = Path.of("/dev/full"); // Linux' file that takes nothing
        assumeTrue(Files.exists(full));
        addSample();
        var index = published(conversions.run(source));
        var blob = manifest(index.manifests().getLast()).layers().getFirst();
        var bootstrap = manifest(index.manifests().getLast()).layers().getLast();
        var repository = new Repository(conversions.client(), source, Side.TARGET, new Traffic());

        for (var failing : List.<ThrowingCallable>of(
                () -> InlinedBootstrap.fetch(repository, blob, full),
                () -> BootstrapLayer.fetch(repository, bootstrap, full))) {
            assertThat(ConversionException.of(catchThrowable(failing)))
                    .satisfies(e -> assertThat(e.reason()).isEqualTo(FailureReason.DiskFull))
                    .hasMessageContaining("--work");
        }
    }

    @Test
    void usesTheCredentialsItIsGiven() throws Exception {
        registry.wantsTokens("user", "secret");
        addSample();
        try (var known = new Conversions(
                registry, work, (host, repository) -> Optional.of(new Credential.Basic("user", "secret")))) {
            assertThat(known.run(source).isVerified()).isTrue();
        }
    }
}
