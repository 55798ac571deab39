package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.converter.report.StopSignal;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A lazy image is an ordinary image to those who know nothing of it: published to the distribution project's registry by the
 * command line, read by skopeo. Decides the order and platforms of the index.
 */
class SkopeoIT {
    private static final List<Platform> PLATFORMS =
            List.of(new Platform("linux", "amd64"), new Platform("linux", "arm64"));

    @TempDir
    private Path directory;

    private DistributionRegistry registry;
    private RegistryClient client;
    private Reference source;

    @BeforeEach
    void start() throws Exception {
        assumeTrue(DistributionRegistry.program("docker-registry").isPresent(), "docker-registry is not on the PATH");
        assumeTrue(DistributionRegistry.program("skopeo").isPresent(), "skopeo is not on the PATH");
        registry = DistributionRegistry.start(directory);
        client = new RegistryClient(
                RegistrySettings.defaults().withPlainHttp(registry.host()), CredentialSource.anonymous());
        source = Reference.parse(registry.host() + "/team/app:1.0");
    }

    @AfterEach
    void stop() {
        if (client != null) {
            client.close();
        }
        if (registry != null) {
            registry.close();
        }
    }

    @Test
    void skopeoTakesTheLazyManifestOfEachPlatformAndGetsTheSourcesLayersByteForByte() throws Exception {
        pushSource();
        var result = run("convert", "--source", source.toString());
        assertThat(result.path("verified").asBoolean()).isTrue();

        for (var platform : PLATFORMS) {
            var target = directory.resolve("copy-" + platform.architecture());
            skopeo(platform, "copy", "docker://" + source.withTag("1.0-thaw"), "dir:" + target);
            var copied = Files.readAllBytes(target.resolve("manifest.json"));
            assertThat(Digest.sha256(copied).toString())
                    .isEqualTo(of(result, platform).path("lazyDigest").asText());

            var layers = SourceFixture.sampleLayers(platform);
            var manifest = new ObjectMapper().readTree(copied);
            assertThat(manifest.path("layers")).hasSize(layers.size() + 1);
            for (var i = 0; i < layers.size(); i++) {
                var digest = Digest.parse(
                        manifest.path("layers").path(i + 1).path("digest").asText());
                assertThat(Files.readAllBytes(target.resolve(digest.hex())))
                        .isEqualTo(layers.get(i).stored());
            }
        }
    }

    @Test
    void skopeoInspectsTheLazyImageAsAnOrdinaryOne() throws Exception {
        pushSource();
        run("convert", "--source", source.toString());

        var inspected = new ObjectMapper()
                .readTree(skopeo(PLATFORMS.getLast(), "inspect", "docker://" + source.withTag("1.0-thaw")));

        assertThat(inspected.path("Architecture").asText()).isEqualTo("arm64");
        assertThat(inspected.path("Labels").path("thaw.dev/source").asText()).startsWith("sha256:");
        assertThat(inspected.path("Layers")).hasSize(4);
    }

    @Test
    void aSecondConversionFindsEverythingAndPublishesTheSame() throws Exception {
        pushSource();
        var first = run("convert", "--source", source.toString());
        var second = run("convert", "--source", source.toString(), "--verify", "Off", "--parallel", "1");

        assertThat(second.path("lazyImage")).isEqualTo(first.path("lazyImage"));
        for (var platform : PLATFORMS) {
            assertThat(of(second, platform).path("reusedLayers").asInt()).isEqualTo(3);
        }
        assertThat(second.path("bytesPushed").asLong()).isZero();
    }

    @Test
    void checkAndInspectUnderstandWhatWasPublished() throws Exception {
        pushSource();
        run("convert", "--source", source.toString(), "--platform", "linux/arm64");

        var checked = run("check", source.withTag("1.0-thaw").toString());
        assertThat(checked.path("verified").asBoolean()).isTrue();

        var inspected =
                run("inspect", "--output", "json", source.withTag("1.0-thaw").toString());
        assertThat(inspected.path("platforms").path(0).path("mode").asText()).isEqualTo("Convert");
        assertThat(inspected.path("platforms").path(0).path("platform").asText())
                .isEqualTo("linux/arm64");
    }

    @Test
    void copiesTheLayersWhenTheTargetIsInAnotherRepository() throws Exception {
        pushSource();
        var target = registry.host() + "/other/place:lazy";

        run("convert", "--source", source.toString(), "--target", target, "--platform", "linux/amd64");

        skopeo(PLATFORMS.getFirst(), "copy", "docker://" + target, "dir:" + directory.resolve("other"));
        run("check", target, "--source", source.toString());
    }

    private void pushSource() throws IOException {
        var entries = new ArrayList<Descriptor>();
        for (var platform : PLATFORMS) {
            var layers = SourceFixture.sampleLayers(platform);
            var descriptors = new ArrayList<Descriptor>();
            for (var layer : layers) {
                client.push(source, layer.descriptor().digest(), layer.stored());
                descriptors.add(layer.descriptor());
            }
            var config = SourceFixture.config(platform, layers).getBytes(StandardCharsets.UTF_8);
            var configDescriptor = Descriptor.of(MediaTypes.OCI_CONFIG, config);
            client.push(source, configDescriptor.digest(), config);
            var manifest = ImageManifest.of(configDescriptor, descriptors, null, null, Map.of());
            client.putManifest(source.withDigest(manifest.digest()), manifest);
            entries.add(manifest.descriptor().withPlatform(platform));
        }
        client.putManifest(source, ImageIndex.of(entries, Map.of()));
    }

    private JsonNode run(String... arguments) throws IOException {
        var all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--plain-http", registry.host(), "--work", directory.toString()));
        var out = new ByteArrayOutputStream();
        var err = new ByteArrayOutputStream();
        var code = Main.commandLine(
                        new StopSignal(),
                        new PrintStream(out, true, StandardCharsets.UTF_8),
                        new PrintStream(err, true, StandardCharsets.UTF_8))
                .execute(all.toArray(String[]::new));
        assertThat(code).as(err.toString(StandardCharsets.UTF_8)).isZero();
        return new ObjectMapper().readTree(out.toByteArray());
    }

    private static JsonNode of(JsonNode result, Platform platform) {
        for (var found : result.path("platforms")) {
            if (found.path("platform").asText().equals(platform.toString())) {
                return found;
            }
        }
        throw new AssertionError("no " + platform + " in " + result);
    }

    /** @param arguments of the command, behind its options */
    private byte[] skopeo(Platform platform, String command, String... arguments) throws Exception {
        var line = new ArrayList<>(List.of(
                "skopeo",
                "--insecure-policy",
                "--override-os",
                platform.os(),
                "--override-arch",
                platform.architecture(),
                command,
                command.equals("copy") ? "--src-tls-verify=false" : "--tls-verify=false"));
        line.addAll(List.of(arguments));
        var output = directory.resolve("skopeo.out");
        var process = new ProcessBuilder(line)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        assertThat(process.waitFor(2, TimeUnit.MINUTES)).isTrue();
        var text = Files.readAllBytes(output);
        assertThat(process.exitValue())
                .as(new String(text, StandardCharsets.UTF_8))
                .isZero();
        return text;
    }
}
