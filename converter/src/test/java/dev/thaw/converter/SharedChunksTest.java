package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.converter.ConversionRequest.Mode;
import dev.thaw.converter.publish.LazyNames;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.ConversionResult;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.report.PlatformResult;
import dev.thaw.converter.tar.TarFile;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Document;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import dev.thaw.rafs.LayerOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A second version of an image, converted with the first as its dictionary. */
class SharedChunksTest {
    private static final String REPOSITORY = "team/app";
    private static final byte[] LARGE = SourceFixture.noise(1, 60_000);
    private static final SourceFixture.Layer BASE = SourceFixture.gzip(
            new TarFile().file("base", SourceFixture.noise(2, 30_000)).bytes());

    @TempDir
    private Path work;

    private FakeRegistry registry;
    private Conversions conversions;
    private Reference first;
    private Reference second;
    private Reference dictionary;

    @BeforeEach
    void publishTheFirst() throws Exception {
        registry = FakeRegistry.start();
        conversions = new Conversions(registry, work);
        first = registry.repository(REPOSITORY).withTag("1");
        second = first.withTag("2");
        SourceFixture.addImage(
                registry,
                REPOSITORY,
                "1",
                List.of(
                        BASE,
                        SourceFixture.gzip(new TarFile()
                                .file("model", LARGE)
                                .file("code", "first")
                                .bytes())));
        dictionary = Reference.parse(conversions.run(first).lazyReference());
        SourceFixture.addImage(
                registry,
                REPOSITORY,
                "2",
                List.of(
                        BASE,
                        SourceFixture.gzip(new TarFile()
                                .file("code", "second")
                                .file("model", LARGE)
                                .bytes())));
    }

    @AfterEach
    void stop() {
        conversions.close();
        registry.close();
    }

    private static Reference lazy(Reference source) {
        return ConversionRequest.defaultTarget(source);
    }

    private ImageManifest artifact(String repository, ConversionResult result) {
        return (ImageManifest) Document.parse(
                registry.manifest(repository, only(result).artifactDigest()).orElseThrow(), null);
    }

    private static PlatformResult only(ConversionResult result) {
        return result.platforms().getFirst();
    }

    @Test
    void storesOnlyWhatTheFirstDoesNotHave() throws Exception {
        var alone = only(conversions.run(second));

        var result = conversions.run(conversions.request(second, second.withTag("shared"), dictionary));

        assertThat(result.isVerified()).isTrue();
        assertThat(only(result).sharedBytes()).isGreaterThan(LARGE.length);
        assertThat(only(result).blobBytes()).isLessThan(alone.blobBytes() / 5);
        assertThat(only(result).reusedLayers())
                .as("the base layer is the first's")
                .isOne();
        assertThat(alone.sharedBytes()).isZero();
    }

    @Test
    void theArtifactListsTheBlobsThatItSharesAndNamesItsDictionary() throws Exception {
        var artifact = artifact(REPOSITORY, conversions.run(conversions.request(second, lazy(second), dictionary)));
        var firstArtifact = artifact(REPOSITORY, conversions.run(first));

        assertThat(artifact.annotations())
                .containsEntry(
                        LazyNames.DICTIONARY_ANNOTATION, firstArtifact.digest().toString());
        assertThat(blobs(artifact)).hasSize(3).containsAll(blobs(firstArtifact));
    }

    private static List<Digest> blobs(ImageManifest artifact) {
        return artifact.layers().stream()
                .filter(layer -> layer.mediaType().equals(LazyNames.NYDUS_BLOB))
                .map(Descriptor::digest)
                .toList();
    }

    @Test
    void isTheSameAgainWithAndWithoutRecords() throws Exception {
        var once = conversions.run(conversions.request(second, lazy(second), dictionary));
        var again = conversions.run(conversions.request(second, second.withTag("again"), dictionary));
        var fresh = conversions.run(new ConversionRequest(
                second,
                second.withTag("fresh"),
                List.of(),
                Conversions.SMALL_CHUNKS,
                dictionary,
                Mode.Convert,
                false,
                true,
                1,
                work,
                ConversionRequest.DEFAULT_SPAN_BYTES));

        assertThat(again.lazyDigest()).isEqualTo(once.lazyDigest());
        assertThat(fresh.lazyDigest()).isEqualTo(once.lazyDigest());
    }

    @Test
    void aThirdVersionSharesWithTheFirstThroughTheSecond() throws Exception {
        var shared = conversions.run(conversions.request(second, lazy(second), dictionary));
        var third = first.withTag("3");
        SourceFixture.addImage(
                registry,
                REPOSITORY,
                "3",
                List.of(
                        BASE,
                        SourceFixture.gzip(new TarFile()
                                .file("model", LARGE)
                                .file("code", "third")
                                .bytes())));

        var result = conversions.run(conversions.request(third, lazy(third), Reference.parse(shared.lazyReference())));

        assertThat(only(result).reusedLayers()).isOne();
        assertThat(only(result).blobBytes()).isLessThan(only(shared).sharedBytes() / 5);
        assertThat(only(result).sharedBytes()).isGreaterThan(LARGE.length);
    }

    @Test
    void theBlobsComeAlongIntoAnotherRepository() throws Exception {
        registry.withoutMounts();
        var elsewhere = registry.repository("other/place").withTag("lazy");

        var result = conversions.run(conversions.request(second, elsewhere, dictionary));

        assertThat(result.isVerified()).isTrue();
        for (var blob : blobs(artifact("other/place", result))) {
            assertThat(registry.blob("other/place", blob)).isPresent();
        }
    }

    @Test
    void chunksOfAnotherSizeCannotBeShared() {
        var options = new LayerOptions(8192, Conversions.SMALL_CHUNKS.codec(), Conversions.SMALL_CHUNKS.digest(), 3);
        var request = new ConversionRequest(
                second,
                lazy(second),
                List.of(),
                options,
                dictionary,
                Mode.Convert,
                true,
                true,
                1,
                work,
                ConversionRequest.DEFAULT_SPAN_BYTES);

        assertThatThrownBy(() -> conversions.run(request))
                .isInstanceOfSatisfying(
                        ConversionException.class,
                        e -> assertThat(e.reason()).isEqualTo(FailureReason.UnsupportedMediaType))
                .hasMessageContaining("chunks of 4096 bytes");
    }

    @Test
    void anImageThatIsNotLazyIsNoDictionary() {
        var request = conversions.request(second, lazy(second), first);

        assertThatThrownBy(() -> conversions.run(request)).hasMessageContaining("is no lazy image");
    }

    private ConversionRequest request(Reference source, String tag, @Nullable Reference shared, Mode mode) {
        return new ConversionRequest(
                source,
                source.withTag(tag),
                List.of(),
                Conversions.SMALL_CHUNKS,
                shared,
                mode,
                true,
                true,
                2,
                work,
                ConversionRequest.DEFAULT_SPAN_BYTES);
    }

    @Test
    void layersThatAreReadInPlaceShareNothing() throws Exception {
        var result = conversions.run(request(second, "in-place", dictionary, Mode.Index));

        assertThat(result.isVerified()).isTrue();
        assertThat(only(result).indexedLayers()).isEqualTo(2);
        assertThat(only(result).reusedLayers()).isZero();
        assertThat(only(result).sharedBytes()).isZero();
        var artifact = artifact(REPOSITORY, result);
        assertThat(artifact.annotations())
                .containsEntry(LazyNames.MODE_ANNOTATION, "Index")
                .containsKey(LazyNames.DICTIONARY_ANNOTATION);
        assertThat(blobs(artifact)).hasSize(2);
    }

    @Test
    void layersThatAreCopiedInsteadShare() throws Exception {
        var mixed = first.withTag("mixed");
        SourceFixture.addImage(
                registry,
                REPOSITORY,
                "mixed",
                List.of(
                        SourceFixture.gzip(new TarFile()
                                .file("own", SourceFixture.noise(3, 200_000))
                                .bytes()),
                        SourceFixture.zstdOfOneLongFrame("model", LARGE)));
        var limits = new ModeChoice.Limits(1000, 1000);

        var result = conversions.run(request(mixed, "mixed-lazy", dictionary, Mode.Auto), limits);
        var again = conversions.run(request(mixed, "mixed-again", dictionary, Mode.Auto), limits);
        var alone = conversions.run(request(mixed, "mixed-alone", null, Mode.Auto), limits);

        assertThat(result.isVerified()).isTrue();
        assertThat(result.mode()).isEqualTo("Index");
        assertThat(only(result).indexedLayers()).isOne();
        assertThat(only(result).sharedBytes()).isGreaterThan(LARGE.length / 2);
        assertThat(only(result).artifactBytes()).isLessThan(LARGE.length / 2);
        assertThat(again.lazyDigest()).isEqualTo(result.lazyDigest());
        assertThat(only(again).reusedLayers()).isEqualTo(2);
        assertThat(only(alone).sharedBytes()).isZero();
        assertThat(only(alone).reusedLayers()).as("the layer in place").isOne();
    }

    @Test
    void anImageThatIsReadInPlaceHasNothingToShare() throws Exception {
        var inPlace = conversions.run(request(first, "first-in-place", null, Mode.Index));

        var result = conversions.run(
                request(second, "second-of-it", Reference.parse(inPlace.lazyReference()), Mode.Convert));

        assertThat(result.isVerified()).isTrue();
        assertThat(only(result).indexedLayers()).isZero();
        assertThat(only(result).sharedBytes()).isZero();
    }

    @Test
    void aLayerOfTwoPlatformsRefersToNoBlobOfOne() throws Exception {
        var amd64 = new Platform("linux", "amd64");
        var arm64 = new Platform("linux", "arm64");
        var old = first.withTag("two-old");
        addIndex("two-old", Map.of(amd64, List.of(layer(4)), arm64, List.of(layer(5))));
        addIndex("two-new", Map.of(amd64, List.of(layer(4, 6), layer(7)), arm64, List.of(layer(4, 6), layer(5, 8))));
        var shared = Reference.parse(conversions.run(old).lazyReference());

        var result = conversions.run(request(first.withTag("two-new"), "two-lazy", shared, Mode.Convert));

        assertThat(result.isVerified()).isTrue();
        assertThat(result.platforms())
                .filteredOn(platform -> platform.sharedBytes() > 0)
                .extracting(PlatformResult::platform)
                .containsExactly("linux/arm64");
    }

    private static SourceFixture.Layer layer(int... seeds) {
        var tar = new TarFile();
        for (var seed : seeds) {
            tar.file("file-" + seed, SourceFixture.noise(seed, 20_000));
        }
        return SourceFixture.gzip(tar.bytes());
    }

    private void addIndex(String tag, Map<Platform, List<SourceFixture.Layer>> images) {
        SourceFixture.addIndex(
                registry,
                REPOSITORY,
                tag,
                images.entrySet().stream()
                        .map(image -> SourceFixture.addImage(
                                        registry, REPOSITORY, null, image.getKey(), image.getValue())
                                .descriptor()
                                .withPlatform(image.getKey()))
                        .toList());
    }
}
