package dev.thaw.oci;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import dev.thaw.fuzz.Fuzz;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What registries, users and Secrets hand us as text, damaged. */
@Tag("fuzz")
class FuzzedDocumentsTest {
    private static final Digest D =
            Digest.parse("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");

    private static Fuzz json(String target) {
        var fuzz = Fuzz.target(target).mayThrow(IllegalArgumentException.class);
        for (var word : List.of(
                "{",
                "}",
                "[",
                "]",
                "\"",
                ":",
                ",",
                "null",
                "true",
                "-1",
                "1e400",
                "1e-400",
                "9223372036854775808",
                "\\u0000",
                "\\ud800",
                "\"schemaVersion\":1",
                "\"manifests\":[",
                "\"layers\":[",
                "\"config\":{",
                "\"platform\":{",
                "\"annotations\":{",
                "\"subject\":{",
                "sha512:",
                "[[[[[[[[[[[[[[[[",
                "{\"a\":{\"a\":{\"a\":{\"a\":")) {
            fuzz.word(word);
        }
        return fuzz;
    }

    @Test
    void manifestsAndIndexes() throws Exception {
        var layer = new Descriptor(MediaTypes.OCI_LAYER_GZIP, D, 7).withAnnotation("a", "b");
        var manifest = ImageManifest.of(
                Descriptor.EMPTY_JSON,
                List.of(layer, layer),
                "application/vnd.example",
                new Descriptor(MediaTypes.OCI_MANIFEST, D, 5),
                Map.of("k", "v"));
        var index = ImageIndex.of(
                List.of(
                        layer.withPlatform(new Platform("linux", "arm64", "v8", "1", List.of("x"))),
                        layer.withArtifactType("application/vnd.example")),
                Map.of("k", "v"));
        json("manifest or index").seed(manifest.bytes()).seed(index.bytes()).run(input -> {
            var document = Document.parse(input, null);
            if (!Document.parse(document.bytes(), document.mediaType()).equals(document)) {
                throw new AssertionError(document + " is not read twice alike");
            }
            document.asIndex().ifPresent(read -> read.manifestFor(new Platform("linux", "arm64")));
        });
    }

    @Test
    void dockerConfigs() throws Exception {
        json("docker config")
                .seed(
                        "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dTpw\"},\"*.example.com:5000/a/b\":{\"username\":\"u\",\"password\":\"p\"}}}"
                                .getBytes(ISO_8859_1))
                .seed("{\"[::1]:5000\":{\"identitytoken\":\"t\"},\"r*g.io\":{\"registrytoken\":\"t\"}}"
                        .getBytes(ISO_8859_1))
                .word("*")
                .word("://")
                .word("]")
                .word("\"auth\":\"")
                .run(input -> {
                    var config = DockerConfig.parse(input);
                    config.credential("a.example.com:5000", "a/b/c");
                    config.credential("[::1]:5000", "a");
                    config.credential("docker.io", "library/nginx");
                });
    }

    @Test
    void references() throws Exception {
        Fuzz.target("reference, digest and platform")
                .mayThrow(IllegalArgumentException.class)
                .seed(("registry.example:5000/team/app:tag@" + D).getBytes(ISO_8859_1))
                .seed("[::1]:5000/a_b/c--d:v1".getBytes(ISO_8859_1))
                .seed("linux/arm64/v8".getBytes(ISO_8859_1))
                .word("sha256:")
                .word("@")
                .word("//")
                .run(input -> {
                    var text = new String(input, ISO_8859_1);
                    if (input.length % 3 == 0) {
                        Digest.parse(text);
                    } else if (input.length % 3 == 1) {
                        Platform.parse(text);
                    } else {
                        var read = Reference.parse(text);
                        if (!Reference.parse(read.toString()).equals(read)) {
                            throw new AssertionError(read + " is not what it says");
                        }
                    }
                });
    }
}
