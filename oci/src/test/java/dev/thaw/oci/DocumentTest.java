package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class DocumentTest {
    private static final String D = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    private static final String CONFIG = "\"config\":{\"mediaType\":\"x/y\",\"digest\":\"" + D + "\",\"size\":3}";

    private static Document parse(String json, String contentType) {
        return Document.parse(json.getBytes(StandardCharsets.UTF_8), contentType);
    }

    @Test
    void keepsTheOriginalBytes() {
        var odd = "{ \"layers\" : [],\n " + CONFIG + " , \"unknown\": 1,\"schemaVersion\":2}";
        var document = parse(odd, MediaTypes.DOCKER_MANIFEST + "; charset=utf-8");
        assertThat(document.bytes()).isEqualTo(odd.getBytes(StandardCharsets.UTF_8));
        assertThat(document.digest()).isEqualTo(Digest.sha256(odd.getBytes(StandardCharsets.UTF_8)));
        assertThat(document.mediaType()).isEqualTo(MediaTypes.DOCKER_MANIFEST);
        document.bytes()[0] = 0;
        assertThat(document.bytes()[0]).isEqualTo((byte) '{');
    }

    @Test
    void readsAManifestThatItWrote() {
        var layer = new Descriptor(MediaTypes.OCI_LAYER_GZIP, Digest.parse(D), 7_000_000_000L)
                .withAnnotation("z", "1")
                .withAnnotation("a", "\"quoted\"");
        var subject = new Descriptor(MediaTypes.OCI_MANIFEST, Digest.parse(D), 5);
        var written = ImageManifest.of(
                Descriptor.EMPTY_JSON, List.of(layer), "application/vnd.example", subject, Map.of("k", "v", "b", "c"));
        var read = Document.parse(written.bytes(), MediaTypes.OCI_MANIFEST)
                .asManifest()
                .orElseThrow();
        assertThat(read).isEqualTo(written);
        assertThat(read.layers()).containsExactly(layer);
        assertThat(read.config()).isEqualTo(Descriptor.EMPTY_JSON);
        assertThat(read.subject()).isEqualTo(subject);
        assertThat(read.artifactType()).isEqualTo("application/vnd.example");
        assertThat(read.annotations()).isEqualTo(Map.of("k", "v", "b", "c"));
    }

    @Test
    void readsAnIndexThatItWroteAndFindsThePlatform() {
        var amd = new Descriptor(MediaTypes.OCI_MANIFEST, Digest.parse(D), 1)
                .withPlatform(new Platform("linux", "amd64"));
        var artifact = amd.withArtifactType("application/vnd.example");
        var arm = new Descriptor(MediaTypes.OCI_MANIFEST, Digest.sha256(new byte[0]), 2)
                .withPlatform(new Platform("linux", "arm64", "v8", null, List.of()));
        var windows = new Descriptor(MediaTypes.OCI_MANIFEST, Digest.sha256(new byte[1]), 3)
                .withPlatform(new Platform("windows", "amd64", null, "10.0.1", List.of("win32k")));
        var written = ImageIndex.of(List.of(artifact, windows, amd, arm), Map.of());
        var read = Document.parse(written.bytes(), null).asIndex().orElseThrow();
        assertThat(read.manifests()).containsExactly(artifact, windows, amd, arm);
        assertThat(read.manifestFor(new Platform("linux", "amd64"))).hasValue(amd);
        assertThat(read.manifestFor(new Platform("linux", "arm64"))).hasValue(arm);
        assertThat(read.manifestFor(new Platform("linux", "s390x"))).isEmpty();
    }

    @Test
    void writesTheSameBytesWhateverTheOrderOfAMap() {
        var one = ImageIndex.of(List.of(), Map.of("a", "1", "b", "2", "c", "3", "d", "4"));
        var other = ImageIndex.of(List.of(), new java.util.TreeMap<>(Map.of("d", "4", "c", "3", "b", "2", "a", "1")));
        assertThat(one.digest()).isEqualTo(other.digest());
        assertThat(new String(one.bytes(), StandardCharsets.UTF_8))
                .isEqualTo("{\"schemaVersion\":2,\"mediaType\":\"" + MediaTypes.OCI_INDEX
                        + "\",\"manifests\":[],\"annotations\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"d\":\"4\"}}");
    }

    @Test
    void refusesDockerSchema1WithASentence() {
        for (var type : new String[] {
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "application/vnd.docker.distribution.manifest.v1+json",
            "application/json"
        }) {
            assertThatThrownBy(() -> parse("{\"schemaVersion\":1,\"fsLayers\":[]}", type))
                    .hasMessageContaining("Docker schema 1")
                    .hasMessageContaining("current tool");
        }
    }

    @Test
    void refusesADocumentThatCouldBeReadInTwoWays() {
        assertThatThrownBy(() -> parse("{\"manifests\":[],\"layers\":[]," + CONFIG + "}", null))
                .hasMessageContaining("an index and a manifest at once");
        assertThatThrownBy(() -> parse("{" + CONFIG + ",\"layers\":[],\"layers\":[]}", null))
                .hasMessageContaining("not sound JSON");
        assertThatThrownBy(() -> parse(
                        "{\"mediaType\":\"" + MediaTypes.OCI_MANIFEST + "\"," + CONFIG + "}", MediaTypes.OCI_INDEX))
                .hasMessageContaining("it calls itself");
        assertThatThrownBy(() -> parse("{\"mediaType\":\"" + MediaTypes.OCI_INDEX + "\"," + CONFIG + "}", null))
                .hasMessageContaining("must list manifests");
    }

    @Test
    void refusesWhatIsDamaged() {
        for (var json : new String[] {
            "",
            "null",
            "[]",
            "{",
            "{} {}",
            "{}",
            "not json",
            "{\"manifests\":{}}",
            "{\"manifests\":[{}]}",
            "{\"manifests\":[{\"digest\":\"" + D + "\"}]}",
            "{\"manifests\":[{\"digest\":\"" + D + "\",\"size\":-1}]}",
            "{\"manifests\":[{\"digest\":\"" + D + "\",\"size\":1.5}]}",
            "{\"manifests\":[{\"digest\":\"" + D + "\",\"size\":99999999999999999999}]}",
            "{\"manifests\":[{\"digest\":\"../../etc\",\"size\":1}]}",
            "{\"manifests\":[],\"annotations\":{\"a\":1}}",
            "{\"mediaType\":\"application/vnd.oci.artifact.manifest.v1+json\"," + CONFIG + "}",
            "{\"a\":".repeat(2000)
        }) {
            assertThatThrownBy(() -> parse(json, null))
                    .as(json.substring(0, Math.min(60, json.length())))
                    .isInstanceOf(IllegalArgumentException.class);
        }
        assertThatThrownBy(() -> Document.parse(new byte[Document.MAX_BYTES + 1], null))
                .hasMessageContaining("larger than");
    }

    /** Whatever a byte or two are changed to, the answer is a document or a refusal, never another failure. */
    @RepeatedTest(20)
    void neverFailsInAnotherWay(RepetitionInfo repetition) {
        var random = new java.util.SplittableRandom(repetition.getCurrentRepetition());
        var layer = new Descriptor("x/y", Digest.parse(D), 7).withAnnotation("a", "b");
        var bytes = ImageManifest.of(layer, List.of(layer, layer), "t", layer, Map.of("k", "v"))
                .bytes();
        for (var i = 0; i < 50; i++) {
            var changed = bytes.clone();
            changed[random.nextInt(bytes.length)] = (byte) random.nextInt();
            changed[random.nextInt(bytes.length)] = (byte) random.nextInt();
            try {
                assertThat(Document.parse(changed, null).bytes()).isEqualTo(changed);
            } catch (IllegalArgumentException refused) {
                assertThat(refused.getMessage()).isNotBlank().doesNotContain("\n");
            }
        }
    }
}
