package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.converter.tar.TarFile;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * The command as a process of its own, with no more heap than its help promises to need, on one layer of very many entries. A
 * layer of ten million takes long; {@code -Dthaw.entries=10000000} asks for it.
 */
@EnabledIfSystemProperty(
        named = "thaw.entries",
        matches = "[0-9]+",
        disabledReason = "takes long, so it is an opt-in: -Dthaw.entries=10000000")
class ManyEntriesIT {
    private static final long BYTES_PER_FILE = 800;
    private static final long FIXED_BYTES = 192L << 20;
    private static final int FILES_PER_DIRECTORY = 1000;

    @TempDir
    Path work;

    @Test
    void areConvertedAndVerifiedInTheMemoryThatTheHelpPromises() throws Exception {
        long entries = Long.getLong("thaw.entries");
        try (var registry = FakeRegistry.start()) {
            publish(registry, entries);
            var heap = (FIXED_BYTES + entries * BYTES_PER_FILE) >> 20;
            var log = work.resolve("log");
            var process = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-Xmx" + heap + "m",
                            "-XX:+UseSerialGC",
                            "--enable-native-access=ALL-UNNAMED",
                            "-cp",
                            System.getProperty("java.class.path"),
                            "dev.thaw.converter.Main",
                            "convert",
                            "--source=" + registry.host() + "/many:1",
                            "--plain-http=" + registry.host(),
                            "--work=" + work.resolve("work"))
                    .redirectErrorStream(true)
                    .redirectOutput(log.toFile())
                    .start();
            long peakKiB = 0;
            var status = Path.of("/proc/" + process.pid() + "/status");
            while (process.isAlive()) {
                Thread.sleep(200);
                peakKiB = Math.max(peakKiB, residentKiB(status));
            }
            var said = Files.readString(log);
            System.out.printf(
                    "%d entries: heap of at most %d MiB, at most %d MiB resident%n", entries, heap, peakKiB >> 10);
            assertThat(process.exitValue()).as(said).isZero();
            assertThat(said).contains("\"verified\"");
        }
    }

    private static long residentKiB(Path status) {
        try {
            return Files.readAllLines(status).stream()
                    .filter(line -> line.startsWith("VmHWM:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                    .findFirst()
                    .orElse(0);
        } catch (java.io.IOException e) {
            return 0; // it has just ended
        }
    }

    /** A directory for each thousand files; every fourth file has content of its own. */
    private static void publish(FakeRegistry registry, long entries) throws Exception {
        var stored = new ByteArrayOutputStream();
        var hash = Digest.sha256(new byte[0]).hasher();
        try (var tar = new BufferedOutputStream(
                new DigestOutputStream(new GZIPOutputStream(stored, 1 << 16), hash), 1 << 16)) {
            for (long i = 0; i < entries; i++) {
                write(tar, i);
            }
            tar.write(new byte[1024]);
        }
        var layer = registry.addBlob("many", MediaTypes.OCI_LAYER_GZIP, stored.toByteArray());
        var diffId = Digest.of("sha256", hash);
        var config = registry.addBlob(
                "many", MediaTypes.OCI_CONFIG, """
                    {"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}\
                    """.formatted(diffId).getBytes(StandardCharsets.UTF_8));
        registry.addManifest("many", "1", ImageManifest.of(config, List.<Descriptor>of(layer), null, null, Map.of()));
    }

    private static void write(OutputStream tar, long i) throws Exception {
        var directory = "some/directory/number-" + i / FILES_PER_DIRECTORY;
        if (i % FILES_PER_DIRECTORY == 0) {
            tar.write(new TarFile().directory(directory).unfinished());
        } else {
            var content = i % 4 == 0 ? "content of file " + i : "";
            tar.write(new TarFile().file(directory + "/file-" + i, content).unfinished());
        }
    }
}
