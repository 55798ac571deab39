package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.cloud.tools.jib.api.Containerizer;
import com.google.cloud.tools.jib.api.Jib;
import com.google.cloud.tools.jib.api.RegistryImage;
import com.google.cloud.tools.jib.api.TarImage;
import com.google.cloud.tools.jib.api.buildplan.ImageFormat;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against the distribution project's own registry, started here on a loopback port. */
class DockerRegistryIT {
    private static final String BINARY = "docker-registry";
    private static final Credential.Basic USER = new Credential.Basic("thaw", "wonderland");
    /** What {@code htpasswd -B} makes of that user and password. */
    private static final String PASSWORD_FILE = "thaw:$2y$05$WLLteaP.NnyGojD4uCMMZeUaXb48SgLIRRVF7/wmd.XM/On7oe7He\n";

    @TempDir
    Path folder;

    private Process process;
    private String host;

    @AfterEach
    void stop() throws InterruptedException {
        if (process != null) {
            process.destroy();
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        }
    }

    @Test
    void takesAndGivesAWholeImage() throws Exception {
        start(false);
        try (var client = client(CredentialSource.anonymous(), 8 << 20)) {
            pushAndPull(client, repository());
        }
    }

    @Test
    void letsInWhoHasThePassword() throws Exception {
        start(true);
        try (var client = client((registryHost, repository) -> Optional.of(USER), 8 << 20)) {
            pushAndPull(client, repository());
        }
    }

    @Test
    void keepsOutWhoHasNoneOrTheWrongOne() throws Exception {
        start(true);
        try (var client = client(CredentialSource.anonymous(), 8 << 20)) {
            assertThatThrownBy(() -> client.manifest(repository().withTag("v1")))
                    .isInstanceOf(RegistryException.Unauthorized.class)
                    .hasMessageContaining("wants a user and a password");
        }
        var wrong = new Credential.Basic("thaw", "looking-glass");
        try (var client = client((registryHost, repository) -> Optional.of(wrong), 8 << 20)) {
            assertThatThrownBy(() -> client.manifest(repository().withTag("v1")))
                    .isInstanceOf(RegistryException.Unauthorized.class)
                    .hasMessageNotContaining("looking-glass");
        }
    }

    @Test
    void takesABlobInManyChunks() throws Exception {
        start(false);
        var content = random(3_300_000, 2);
        try (var client = client(CredentialSource.anonymous(), 1 << 20);
                var upload = client.upload(repository())) {
            for (var from = 0; from < content.length; from += 70_001) {
                upload.write(content, from, Math.min(70_001, content.length - from));
            }
            var pushed = upload.commit();
            assertThat(client.blobBytes(repository(), pushed, content.length)).isEqualTo(content);
        }
    }

    @Test
    void mountsABlobFromAnotherRepository() throws Exception {
        start(false);
        var content = random(10_000, 3);
        var digest = Digest.sha256(content);
        try (var client = client(CredentialSource.anonymous(), 1 << 20)) {
            client.push(repository(), digest, content);
            var other = repository().withRepository("other/place");
            assertThat(client.mount(other, digest, repository().repository())).isTrue();
            assertThat(client.blobExists(other, digest)).isTrue();
            assertThat(client.mount(
                            other, Digest.sha256(new byte[] {1}), repository().repository()))
                    .isFalse();
        }
    }

    @Test
    void cancelsAnUploadThatIsNotCommitted() throws Exception {
        start(false);
        try (var client = client(CredentialSource.anonymous(), 1 << 20)) {
            try (var upload = client.upload(repository())) {
                upload.write(random(2_500_000, 4));
            }
            var uploads = folder.resolve("data/docker/registry/v2/repositories/team/app/_uploads");
            try (var left = Files.walk(uploads)) {
                // The registry leaves its little hash states behind, but the content must be gone.
                assertThat(left.filter(file -> file.endsWith("data"))).isEmpty();
            }
        }
    }

    @Test
    void findsReferrersByTheTagThatStandsInForTheApi() throws Exception {
        start(false);
        try (var client = client(CredentialSource.anonymous(), 1 << 20)) {
            var image = pushAndPull(client, repository());
            client.push(repository(), Descriptor.EMPTY_JSON.digest(), "{}".getBytes(StandardCharsets.UTF_8));
            var first = referrer(image, "application/vnd.example.one");
            var second = referrer(image, "application/vnd.example.two");
            client.pushReferrer(repository(), first.mediaType(), first.bytes());
            client.pushReferrer(repository(), second.mediaType(), second.bytes());
            client.pushReferrer(repository(), second.mediaType(), second.bytes());

            assertThat(client.referrers(repository(), image.digest(), null))
                    .extracting(Descriptor::digest)
                    .containsExactly(first.digest(), second.digest());
            assertThat(client.referrers(repository(), image.digest(), "application/vnd.example.two"))
                    .extracting(Descriptor::digest)
                    .containsExactly(second.digest());

            client.deleteReferrer(repository(), image.digest(), first.digest());
            assertThat(client.referrers(repository(), image.digest(), null))
                    .extracting(Descriptor::digest)
                    .containsExactly(second.digest());
        }
    }

    @Test
    void takesABlobUpAgainWhereTheConnectionWasCut() throws Exception {
        start(false);
        var content = random(6_000_000, 5);
        var digest = Digest.sha256(content);
        try (var client = client(CredentialSource.anonymous(), 1 << 20)) {
            client.push(repository(), digest, content);
        }
        try (var wire = CuttingProxy.cuttingAnswers(host, 2_000_000)) {
            var through = new Reference(wire.host(), "team/app", null, null);
            try (var client =
                    new RegistryClient(settings(wire.host()).withUploadChunk(1 << 20), CredentialSource.anonymous())) {
                var descriptor = new Descriptor(MediaTypes.OCTET_STREAM, digest, content.length);
                assertThat(client.blobBytes(through, descriptor, content.length))
                        .isEqualTo(content);
                assertThat(wire.cuts()).isEqualTo(1);
            }
        }
    }

    @Test
    void beginsAnUploadAgainWhenItsFirstChunkWasCut() throws Exception {
        start(false);
        var content = random(4_000_000, 6);
        try (var wire = CuttingProxy.cuttingRequests(host, 600_000)) {
            var through = new Reference(wire.host(), "team/app", null, null);
            try (var client = new RegistryClient(
                            settings(wire.host()).withUploadChunk(1 << 20), CredentialSource.anonymous());
                    var upload = client.upload(through)) {
                upload.write(content);
                var pushed = upload.commit();
                assertThat(wire.cuts()).isEqualTo(1);
                assertThat(client.blobBytes(through, pushed, content.length)).isEqualTo(content);
            }
        }
    }

    /** This registry throws an upload away when it is asked about one that was cut; others can go on. */
    @Test
    void saysThatALaterChunkWasLostAndThatItMayBeTriedAgain() throws Exception {
        start(false);
        try (var wire = CuttingProxy.cuttingRequests(host, 2_600_000)) {
            var through = new Reference(wire.host(), "team/app", null, null);
            try (var client = new RegistryClient(
                            settings(wire.host()).withUploadChunk(1 << 20), CredentialSource.anonymous());
                    var upload = client.upload(through)) {
                // The chunk is on its way when the write returns: whoever asks for the blob hears of it.
                assertThatThrownBy(() -> {
                            upload.write(random(4_000_000, 6));
                            upload.commit();
                        })
                        .isInstanceOfSatisfying(
                                RegistryException.Unavailable.class,
                                e -> assertThat(e.isTransient()).isTrue())
                        .hasMessageContaining("forgotten");
            }
        }
    }

    @Test
    void readsWhatJibPushedAndJibReadsWhatWePushed() throws Exception {
        start(false);
        var pushed = Jib.fromScratch()
                .addLayer(List.of(Files.writeString(folder.resolve("hello"), "hello")), "/")
                .setFormat(ImageFormat.OCI)
                .containerize(Containerizer.to(RegistryImage.named(host + "/team/jib:v1"))
                        .setAllowInsecureRegistries(true)
                        .setBaseImageLayersCache(folder.resolve("base"))
                        .setApplicationLayersCache(folder.resolve("layers")));
        try (var client = client(CredentialSource.anonymous(), 1 << 20)) {
            var jibs = repository().withRepository("team/jib");
            var document = client.manifest(jibs.withTag("v1"));
            assertThat(document.digest()).hasToString(pushed.getDigest().toString());
            var manifest = document.asManifest().orElseThrow();
            for (var layer : manifest.layers()) {
                assertThat(client.blobBytes(jibs, layer, 1 << 20)).hasSize((int) layer.sizeBytes());
            }
            var ours = repository().withRepository("team/ours");
            for (var layer : manifest.layers()) {
                assertThat(client.mount(ours, layer.digest(), "team/jib")).isTrue();
            }
            assertThat(client.mount(ours, manifest.config().digest(), "team/jib"))
                    .isTrue();
            var rewritten = ImageManifest.of(manifest.config(), manifest.layers(), null, null, Map.of("by", "us"));
            client.putManifest(ours.withTag("v1"), rewritten);
        }
        var again = Jib.from(RegistryImage.named(host + "/team/ours:v1"))
                .setFormat(ImageFormat.OCI)
                .containerize(Containerizer.to(
                                TarImage.at(folder.resolve("again.tar")).named("again"))
                        .setAllowInsecureRegistries(true)
                        .setBaseImageLayersCache(folder.resolve("base"))
                        .setApplicationLayersCache(folder.resolve("layers")));
        assertThat(again.getImageId()).isEqualTo(pushed.getImageId());
    }

    private ImageManifest pushAndPull(RegistryClient client, Reference repository) throws IOException {
        var config = "{\"architecture\":\"amd64\",\"os\":\"linux\"}".getBytes(StandardCharsets.UTF_8);
        var layer = random(2_000_000, 1);
        var file = Files.write(folder.resolve("layer"), layer);
        client.push(repository, Digest.sha256(config), config);
        client.push(repository, Digest.sha256(layer), file);
        var manifest = ImageManifest.of(
                Descriptor.of(MediaTypes.OCI_CONFIG, config),
                List.of(Descriptor.of(MediaTypes.OCI_LAYER_TAR, layer)),
                null,
                null,
                Map.of());
        client.putManifest(repository.withTag("v1"), manifest);

        assertThat(client.resolve(repository.withTag("v1"))).isEqualTo(manifest.digest());
        assertThat(client.manifest(repository.withTag("v1")).bytes()).isEqualTo(manifest.bytes());
        assertThat(client.manifest(repository.withDigest(manifest.digest()))).isEqualTo(manifest);
        assertThat(client.blobBytes(repository, manifest.layers().getFirst(), layer.length))
                .isEqualTo(layer);
        try (var range = client.range(repository, Digest.sha256(layer), 1_500_000, 100_000)) {
            assertThat(range.readAllBytes()).isEqualTo(Arrays.copyOfRange(layer, 1_500_000, 1_600_000));
            assertThat(range.blobSizeBytes()).hasValue(layer.length);
        }
        assertThatThrownBy(() -> client.manifest(repository.withTag("none")))
                .isInstanceOf(RegistryException.NotFound.class)
                .hasMessageContaining("MANIFEST_UNKNOWN");
        return manifest;
    }

    private static ImageManifest referrer(ImageManifest subject, String type) {
        return ImageManifest.of(
                Descriptor.EMPTY_JSON, List.of(Descriptor.EMPTY_JSON), type, subject.descriptor(), Map.of());
    }

    private RegistryClient client(CredentialSource credentials, int chunkBytes) {
        return new RegistryClient(settings(host).withUploadChunk(chunkBytes), credentials);
    }

    private static RegistrySettings settings(String host) {
        return RegistrySettings.defaults()
                .withPlainHttp(host)
                .withRetries(3, Duration.ofMillis(50), Duration.ofSeconds(1));
    }

    private Reference repository() {
        return new Reference(host, "team/app", null, null);
    }

    private static byte[] random(int size, long seed) {
        var bytes = new byte[size];
        new SplittableRandom(seed).nextBytes(bytes);
        return bytes;
    }

    private void start(boolean withPassword) throws Exception {
        var binary = onPath();
        assumeTrue(binary.isPresent(), "no " + BINARY + " on PATH (Debian: apt-get install docker-registry)");
        int port;
        try (var free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        host = "127.0.0.1:" + port;
        var config = """
                version: 0.1
                log:
                  level: error
                storage:
                  filesystem:
                    rootdirectory: %s
                  delete:
                    enabled: true
                http:
                  addr: %s
                """.formatted(folder.resolve("data"), host);
        if (withPassword) {
            var passwords = Files.writeString(folder.resolve("passwords"), PASSWORD_FILE);
            config += "auth:\n  htpasswd:\n    realm: test\n    path: " + passwords + "\n";
        }
        process = new ProcessBuilder(
                        binary.get().toString(),
                        "serve",
                        Files.writeString(folder.resolve("config.yml"), config).toString())
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("log").toFile())
                .start();
        awaitAnswer(port);
    }

    private void awaitAnswer(int port) throws Exception {
        var end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (true) {
            try (var connected = new Socket(InetAddress.getLoopbackAddress(), port)) {
                assertThat(connected.isConnected()).isTrue();
                return;
            } catch (IOException notYet) {
                if (!process.isAlive() || System.nanoTime() > end) {
                    throw new IOException(
                            BINARY + " does not answer: " + Files.readString(folder.resolve("log")), notYet);
                }
                Thread.sleep(50);
            }
        }
    }

    private static Optional<Path> onPath() {
        return Arrays.stream(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator))
                .map(directory -> Path.of(directory, BINARY))
                .filter(Files::isExecutable)
                .findFirst();
    }
}
