package dev.thaw.converter.rehearsal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistryException;
import dev.thaw.oci.RegistrySettings;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The embedded registry, as the client of the product sees it. */
class EmbeddedRegistryTest {
    private static final byte[] BLOB = new byte[3 << 20];

    static {
        new Random(1).nextBytes(BLOB);
    }

    @TempDir
    Path folder;

    private EmbeddedRegistry registry;
    private RegistryClient client;
    private Reference image;

    @BeforeEach
    void start() throws IOException {
        registry = new EmbeddedRegistry(folder.resolve("registry"));
        client = new RegistryClient(
                RegistrySettings.defaults().withPlainHttp(registry.host()).withUploadChunk(1 << 20),
                CredentialSource.anonymous());
        image = Reference.parse(registry.host() + "/team/app:1.0");
    }

    @AfterEach
    void stop() {
        client.close();
        registry.close();
    }

    @Test
    void givesBackWhatWasPushedInChunks() throws IOException {
        Descriptor blob;
        try (var upload = client.upload(image)) {
            upload.write(BLOB);
            blob = upload.commit();
        }

        assertThat(blob.digest()).isEqualTo(Digest.sha256(BLOB));
        assertThat(client.blobExists(image, blob.digest())).isTrue();
        assertThat(client.blobSize(image, blob.digest())).isEqualTo(BLOB.length);
        try (var content = client.blob(image, blob)) {
            assertThat(content.readAllBytes()).isEqualTo(BLOB);
        }
        assertThat(registry.sentBytes()).isEqualTo(BLOB.length);
    }

    @Test
    void answersARangeWithThoseBytesAndCountsThem() throws IOException {
        var digest = pushBlob(BLOB);

        try (var range = client.range(image, digest, 1_000_000, 70_000)) {
            assertThat(range.readAllBytes()).isEqualTo(Arrays.copyOfRange(BLOB, 1_000_000, 1_070_000));
        }
        assertThat(registry.rangeRequests()).isEqualTo(1);
        assertThat(registry.sentBytes()).isEqualTo(70_000);
    }

    @Test
    void findsManifestsByTagAndByDigest() throws IOException {
        var manifest = manifest(null);
        var digest = client.putManifest(image, manifest);

        assertThat(client.resolve(image)).isEqualTo(digest).isEqualTo(manifest.digest());
        assertThat(client.manifest(image)).isEqualTo(manifest);
        assertThat(client.manifest(image.withDigest(digest))).isEqualTo(manifest);
    }

    @Test
    void listsReferrersOfASubjectAndNoOthers() throws IOException {
        var subject = client.putManifest(image, manifest(null));
        var described = new Descriptor(MediaTypes.OCI_MANIFEST, subject, 1);
        var referrer = manifest(described);
        client.pushReferrer(image, referrer.mediaType(), referrer.bytes());

        assertThat(client.referrers(image, subject, "application/vnd.example.note"))
                .singleElement()
                .satisfies(found -> {
                    assertThat(found.digest()).isEqualTo(referrer.digest());
                    assertThat(found.annotations()).containsEntry("said", "so");
                });
        assertThat(client.referrers(image, referrer.digest(), null)).isEmpty();
    }

    /** Where there is no referrers API, clients list referrers under a tag that is spelt like the subject's digest. */
    @Test
    void doesNotTakeATagForTheDigestThatItLooksLike() throws IOException {
        var subject = client.putManifest(image, manifest(null));
        var other = manifest(new Descriptor(MediaTypes.OCI_MANIFEST, subject, 1));
        client.putManifest(image.withTag("sha256-" + subject.hex()), other);

        assertThat(client.manifest(image.withDigest(subject)).digest()).isEqualTo(subject);
    }

    @Test
    void saysThatAnImageIsNotThere() {
        assertThatThrownBy(() -> client.manifest(image)).isInstanceOf(RegistryException.NotFound.class);
        assertThatThrownBy(() -> client.resolve(image)).isInstanceOf(RegistryException.NotFound.class);
    }

    @Test
    void refusesContentWithAnotherDigest() throws IOException {
        var claimed = Digest.sha256(new byte[] {1});
        assertThatThrownBy(() -> client.push(image, claimed, new byte[] {2})).isInstanceOf(RegistryException.class);
        assertThat(client.blobExists(image, claimed)).isFalse();
    }

    @Test
    void forgetsAnUploadThatWasTakenBack() throws IOException {
        try (var upload = client.upload(image)) {
            upload.write(BLOB);
        }
        try (var uploads = Files.list(folder.resolve("registry/uploads"))) {
            assertThat(uploads).isEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v2/team/../../manifests/secret",
                "/v2/team/%2e%2e/%2e%2e/manifests/secret",
                "/v2/team/app/manifests/..",
                "/v2/team/app/manifests/%2e%2e%2f%2e%2e%2fsecret",
                "/v2/team/app/blobs/uploads/..",
                "/v2/team/app/blobs/sha256:..",
            })
    void leadsNobodyOutOfItsFolder(String path) throws IOException, InterruptedException {
        Files.writeString(folder.resolve("secret"), "secret");
        try (var http = HttpClient.newHttpClient()) {
            var answer = http.send(
                    HttpRequest.newBuilder(URI.create("http://" + registry.host() + path))
                            .build(),
                    BodyHandlers.ofString());
            assertThat(answer.statusCode()).isIn(400, 404);
            assertThat(answer.body()).doesNotContain("secret");
        }
    }

    private Digest pushBlob(byte[] content) throws IOException {
        var digest = Digest.sha256(content);
        client.push(image, digest, content);
        return digest;
    }

    private ImageManifest manifest(@Nullable Descriptor subject) throws IOException {
        var config = "{}".getBytes(StandardCharsets.US_ASCII);
        pushBlob(config);
        return ImageManifest.of(
                Descriptor.EMPTY_JSON, List.of(), "application/vnd.example.note", subject, Map.of("said", "so"));
    }
}
