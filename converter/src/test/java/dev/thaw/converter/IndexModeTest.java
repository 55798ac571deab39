package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.Zstd;
import dev.thaw.converter.ConversionRequest.Mode;
import dev.thaw.converter.SourceFixture.Layer;
import dev.thaw.converter.publish.LazyNames;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.ConversionResult;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.tar.TarFile;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Document;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.DigestAlgorithm;
import dev.thaw.rafs.LayerOptions;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class IndexModeTest extends ConversionSetUp {
    private static final LayerOptions OPTIONS = new LayerOptions(64 << 10, Codec.ZSTD, DigestAlgorithm.SHA256, 3);
    private static final int SPAN_BYTES = 256 << 10;
    private static final ModeChoice.Limits SMALL = new ModeChoice.Limits(10_000, 30 << 20);

    private static byte[] text(int seed, int length) {
        var noise = SourceFixture.noise(seed, length);
        var text = new byte[length];
        for (var i = 0; i < length; i++) {
            text[i] = (byte) ("models and their weights, ".charAt(i % 26) + (noise[i] & 1));
        }
        return text;
    }

    /** Of a program and a model: most of it does not compress. */
    private static Layer model() {
        return SourceFixture.gzip(new TarFile()
                .directory("model")
                .file("model/config.json", text(1, 3000))
                .file("model/weights", SourceFixture.noise(2, 4_000_000))
                .file("model/again", SourceFixture.noise(2, 4_000_000))
                .bytes());
    }

    private static Layer program() {
        var tar = new TarFile().directory("app").file("app/main.py", text(3, 900_000));
        for (var i = 0; i < 50; i++) {
            tar.file("app/module-" + i + ".py", text(10 + i, 200 * i));
        }
        return SourceFixture.gzip(tar.hardLink("app/link", "app/main.py").bytes());
    }

    /** As tools make that keep zstd seekable; one of the frames is to be skipped. */
    private static Layer manyFrames() {
        var tar = new TarFile()
                .file("data", SourceFixture.noise(5, 900_000))
                .file("text", text(6, 400_000))
                .hardLink("again", "text")
                .bytes();
        var stored = new ByteArrayOutputStream();
        stored.writeBytes(new byte[] {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3});
        for (var at = 0; at < tar.length; at += 100_000) {
            stored.writeBytes(Zstd.compress(Arrays.copyOfRange(tar, at, Math.min(tar.length, at + 100_000))));
        }
        return new Layer(MediaTypes.OCI_LAYER_ZSTD, stored.toByteArray(), Digest.sha256(tar));
    }

    private static Layer plainLayer() {
        return SourceFixture.plain(new TarFile()
                .file("app/.wh.module-7.py", "")
                .file("data", text(4, 300_000))
                .bytes());
    }

    private ConversionRequest request(Mode mode, int parallel) {
        return request(mode, parallel, source.withTag("lazy"), true);
    }

    private ConversionRequest request(Mode mode, int parallel, Reference target, boolean mayReuse) {
        return new ConversionRequest(
                source, target, List.of(), OPTIONS, null, mode, mayReuse, true, parallel, work, SPAN_BYTES);
    }

    private ImageManifest artifact(ConversionResult result) {
        var index = (ImageIndex)
                Document.parse(registry.manifest(REPOSITORY, result.tag()).orElseThrow(), MediaTypes.OCI_INDEX);
        return (ImageManifest) Document.parse(
                registry.manifest(
                                REPOSITORY, index.manifests().getLast().digest().toString())
                        .orElseThrow(),
                null);
    }

    @Test
    void publishesWhereInTheLayersContentsLieAndLeavesTheLayers() throws Exception {
        var image = SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(program(), model(), plainLayer()));

        var result = conversions.run(request(Mode.Index, 2));

        assertThat(result.isVerified()).isTrue();
        assertThat(result.verifiedEntries()).isEqualTo(57);
        assertThat(result.mode()).isEqualTo("Index");
        assertThat(result.modeReason()).isEqualTo("Index was asked for");
        var platform = result.platforms().getFirst();
        assertThat(platform.indexedLayers()).isEqualTo(3);
        assertThat(platform.duplicateBytes()).isEqualTo(4_000_000);
        assertThat(platform.artifactRatio()).isLessThan(0.03);
        assertThat(result.bytesPushed()).isLessThan(platform.sourceBytes() / 20);
        var artifact = artifact(result);
        assertThat(artifact.annotations()).containsEntry(LazyNames.MODE_ANNOTATION, "Index");
        var blobs = artifact.layers().subList(0, artifact.layers().size() - 1);
        assertThat(blobs.stream().map(blob -> blob.annotations().get(LazyNames.NYDUS_REFERENCE_ANNOTATION)))
                .containsExactlyElementsOf(image.layers().stream()
                        .map(layer -> layer.digest().toString())
                        .toList());
    }

    @Test
    void theResultDoesNotDependOnParallelism() throws Exception {
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(program(), model(), plainLayer()));

        var one = conversions.run(request(Mode.Index, 1, source.withTag("one"), false));
        var four = conversions.run(request(Mode.Index, 4, source.withTag("four"), false));

        assertThat(four.lazyDigest()).isEqualTo(one.lazyDigest());
        assertThat(four.platforms().getFirst().reusedLayers()).isZero();
    }

    @Test
    void aSecondRunReadsNoLayerToIndexIt() throws Exception {
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(program(), model()));
        var first = conversions.run(request(Mode.Index, 2));

        var second = conversions.run(request(Mode.Index, 2));

        assertThat(second.lazyDigest()).isEqualTo(first.lazyDigest());
        assertThat(second.platforms().getFirst().reusedLayers()).isEqualTo(2);
        assertThat(second.bytesPushed()).isZero();
    }

    @Test
    void aCopyOfALayerIsNotTakenForItsIndex() throws Exception {
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(program()));
        conversions.run(request(Mode.Convert, 1, source.withTag("copied"), true));

        var result = conversions.run(request(Mode.Index, 1));

        assertThat(result.platforms().getFirst().reusedLayers()).isZero();
        assertThat(result.platforms().getFirst().indexedLayers()).isEqualTo(1);
    }

    @Test
    void readsZstdInPlaceIfItIsOfManyFrames() throws Exception {
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(program(), manyFrames()));

        var result = conversions.run(request(Mode.Index, 2));

        assertThat(result.isVerified()).isTrue();
        assertThat(result.platforms().getFirst().indexedLayers()).isEqualTo(2);
    }

    @Test
    void saysWhyALayerCannotBeReadInPlace() {
        SourceFixture.addImage(
                registry, REPOSITORY, "1.0", List.of(model(), SourceFixture.zstdOfOneLongFrame("a", text(7, 100))));

        assertThatThrownBy(() -> conversions.run(request(Mode.Index, 1)))
                .isInstanceOfSatisfying(
                        ConversionException.class,
                        e -> assertThat(e.reason()).isEqualTo(FailureReason.UnsupportedMediaType))
                .hasMessageContaining("cannot be read in place")
                .hasMessageContaining("zstd in a frame of more than 16 MiB")
                .hasMessageContaining("choose Auto");
        assertThat(registry.manifest(REPOSITORY, "lazy")).isEmpty();
    }

    @Test
    void autoCopiesTheLayersThatCannotBeReadInPlaceAndRemembersIt() throws Exception {
        var image = SourceFixture.addImage(
                registry, REPOSITORY, "1.0", List.of(model(), SourceFixture.zstdOfOneLongFrame("a", text(7, 100))));

        var first = conversions.run(request(Mode.Auto, 1), SMALL);

        assertThat(first.mode()).isEqualTo("Index");
        assertThat(first.modeReason())
                .contains("compressed before it was packed")
                .endsWith("1 layer could not be read in place and was copied");
        assertThat(first.platforms().getFirst().indexedLayers()).isEqualTo(1);
        registry.forgetRequests();
        var second = conversions.run(request(Mode.Auto, 1), SMALL);
        assertThat(second.lazyDigest()).isEqualTo(first.lazyDigest());
        assertThat(second.platforms().getFirst().reusedLayers()).isEqualTo(2);
        assertThat(second.modeReason()).isEqualTo(first.modeReason());
        var zstd = image.layers().getLast().digest();
        assertThat(registry.requests("GET", "/blobs/" + zstd)).hasSize(1); // to verify
    }

    @Test
    void autoCopiesWhatCompressesAndWhatIsMostlyZstd() throws Exception {
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(program()));
        assertThat(conversions.run(request(Mode.Auto, 1), SMALL).modeReason()).contains("Auto chooses Convert");

        SourceFixture.addImage(
                registry,
                REPOSITORY,
                "1.0",
                List.of(SourceFixture.zstd(
                        new TarFile().file("a", SourceFixture.noise(1, 50_000)).bytes())));
        assertThat(conversions.run(request(Mode.Auto, 1), SMALL).modeReason()).contains("zstd");
    }

    @Test
    void autoTakesTheWordOfALayerThatItsZstdIsChunked() throws Exception {
        var layer = manyFrames();
        var stored = registry.addBlob(REPOSITORY, layer.mediaType(), layer.stored())
                .withAnnotations(Map.of("io.github.containers.zstd-chunked.manifest-checksum", "sha256:…"));
        var config = registry.addBlob(
                REPOSITORY,
                MediaTypes.OCI_CONFIG,
                SourceFixture.config(new Platform("linux", "amd64"), List.of(layer))
                        .getBytes(StandardCharsets.UTF_8));
        registry.addManifest(REPOSITORY, "1.0", ImageManifest.of(config, List.of(stored), null, null, Map.of()));

        var result = conversions.run(request(Mode.Auto, 1), new ModeChoice.Limits(1000, 1000));

        assertThat(result.mode()).isEqualTo("Index");
        assertThat(result.platforms().getFirst().indexedLayers()).isOne();
    }

    @Test
    void autoCopiesWhatIsSmallAndDoesNotCopyWhatIsLarge() throws Exception {
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(program(), model()));

        var small = conversions.run(request(Mode.Auto, 1, source.withTag("small"), true));
        var large = conversions.run(
                request(Mode.Auto, 1, source.withTag("large"), true), new ModeChoice.Limits(1000, 1000));

        assertThat(small.mode()).isEqualTo("Convert");
        assertThat(small.modeReason()).contains("it costs little");
        assertThat(large.mode()).isEqualTo("Index");
    }

    @Test
    void aLayerThatIsServedWrongFailsVerification() throws Exception {
        var image = SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(program()));
        var layer = image.layers().getFirst();
        var indexed = conversions.run(request(Mode.Index, 1));
        assertThat(indexed.isVerified()).isTrue();
        registry.tamper(100, "/blobs/" + layer.digest());

        assertThatThrownBy(() -> conversions.run(request(Mode.Index, 1, source.withTag("again"), true)))
                .isInstanceOf(ConversionException.class);
        assertThat(registry.manifest(REPOSITORY, "again")).isEmpty();
    }

    @Test
    void aLayerThatWasCutFailsWithItsName() {
        var whole = program();
        var cut = new Layer(
                whole.mediaType(), Arrays.copyOf(whole.stored(), whole.stored().length - 1000), whole.diffId());
        SourceFixture.addImage(registry, REPOSITORY, "1.0", List.of(cut));

        assertThatThrownBy(() -> conversions.run(request(Mode.Index, 1)))
                .isInstanceOfSatisfying(
                        ConversionException.class, e -> assertThat(e.reason()).isEqualTo(FailureReason.CorruptLayer))
                .hasMessageContaining(cut.descriptor().digest().toString());
    }

    @Test
    void indexesForEveryPlatform() throws Exception {
        var amd64 = new Platform("linux", "amd64");
        var arm64 = new Platform("linux", "arm64");
        var one = SourceFixture.addImage(registry, REPOSITORY, null, amd64, List.of(program(), model()));
        var two = SourceFixture.addImage(registry, REPOSITORY, null, arm64, List.of(program(), plainLayer()));
        SourceFixture.addIndex(
                registry,
                REPOSITORY,
                "1.0",
                List.of(one.descriptor().withPlatform(amd64), two.descriptor().withPlatform(arm64)));

        var result = conversions.run(request(Mode.Index, 2));

        assertThat(result.platforms()).hasSize(2);
        assertThat(result.isVerified()).isTrue();
        assertThat(artifact(result).layers().stream().map(Descriptor::mediaType))
                .contains(LazyNames.NYDUS_BLOB);
    }
}
