package dev.thaw.demo;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.converter.rehearsal.EmbeddedRegistry;
import dev.thaw.crds.LazyImageStatus.Artifact;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import dev.thaw.operator.conversion.ConversionResult;
import dev.thaw.operator.conversion.ConversionResult.Published;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the converter's process tells of two versions of an image, as the operator reads it into {@code status.artifact}. */
class PublishedFiguresTest {
    private static final int MODEL_BYTES = 300_000;
    private static final int CODE_BYTES = 100_000;

    @TempDir
    Path folder;

    private EmbeddedRegistry registry;

    @BeforeEach
    void start() throws Exception {
        registry = new EmbeddedRegistry(folder.resolve("registry"));
    }

    @AfterEach
    void stop() {
        registry.close();
    }

    @Test
    void ofASecondVersionSayWhatItSharesWithTheFirst() throws Exception {
        push(
                "1",
                Map.of(
                        "model",
                        noise(1, MODEL_BYTES),
                        "same-model",
                        noise(1, MODEL_BYTES),
                        "code",
                        noise(2, CODE_BYTES)));
        push("2", Map.of("model", noise(1, MODEL_BYTES), "code", noise(3, CODE_BYTES)));

        var first = converted("1");
        var second = converted("2", "--chunk-dict", first.lazyImage());

        var alone = artifact(first);
        assertThat(alone.sharedBytes()).isZero();
        assertThat(alone.sharedRatio()).isEqualTo("0%");
        assertThat(alone.contentBytes()).isEqualTo(2 * MODEL_BYTES + CODE_BYTES);
        assertThat(alone.duplicateBytes()).isEqualTo(MODEL_BYTES);
        assertThat(alone.duplicateRatio()).isEqualTo("43%");
        var shared = artifact(second);
        assertThat(shared.sharedBytes()).isEqualTo(MODEL_BYTES);
        assertThat(shared.blobBytes()).isBetween((long) CODE_BYTES, CODE_BYTES + 20_000L);
        assertThat(shared.sharedRatio()).isIn("72%", "73%", "74%", "75%");
        assertThat(shared.layers()).isOne();
        assertThat(shared.files()).isEqualTo(3);
        assertThat(shared.chunks()).isEqualTo(2);
        assertThat(shared.throughput()).isNotNull();
    }

    private static Artifact artifact(Published result) {
        return Artifact.of(result.platforms(), result.took(), result.throughput());
    }

    /** Runs the converter as a Job's container does, and reads its termination message as the operator does. */
    private Published converted(String tag, String... more) throws Exception {
        var message = folder.resolve("termination-log-" + tag);
        var log = folder.resolve("log-" + tag);
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                "dev.thaw.converter.Main",
                "convert",
                "--source",
                registry.host() + "/team/app:" + tag,
                "--plain-http",
                registry.host(),
                "--work",
                folder.toString(),
                "--result",
                message.toString()));
        command.addAll(List.of(more));
        var process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        assertThat(process.waitFor()).as(Files.readString(log)).isZero();
        var result = ConversionResult.parse(Files.readString(message)).orElseThrow();
        assertThat(result).isInstanceOf(Published.class);
        return (Published) result;
    }

    private void push(String tag, Map<String, byte[]> files) throws Exception {
        var tar = new ByteArrayOutputStream();
        try (var out = new TarArchiveOutputStream(tar)) {
            for (var file : files.entrySet()) {
                var entry = new TarArchiveEntry(file.getKey());
                entry.setSize(file.getValue().length);
                out.putArchiveEntry(entry);
                out.write(file.getValue());
                out.closeArchiveEntry();
            }
        }
        var layer = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(layer)) {
            gzip.write(tar.toByteArray());
        }
        byte[] config = """
                {"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}\
                """.formatted(Digest.sha256(tar.toByteArray())).getBytes(StandardCharsets.UTF_8);
        var image = Reference.parse(registry.host() + "/team/app:" + tag);
        var layerDescriptor = Descriptor.of(MediaTypes.OCI_LAYER_GZIP, layer.toByteArray());
        var configDescriptor = Descriptor.of(MediaTypes.OCI_CONFIG, config);
        try (var client = new RegistryClient(
                RegistrySettings.defaults().withPlainHttp(registry.host()), CredentialSource.anonymous())) {
            client.push(image, layerDescriptor.digest(), layer.toByteArray());
            client.push(image, configDescriptor.digest(), config);
            client.putManifest(
                    image, ImageManifest.of(configDescriptor, List.of(layerDescriptor), null, null, Map.of()));
        }
    }

    private static byte[] noise(long seed, int length) {
        var bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }
}
