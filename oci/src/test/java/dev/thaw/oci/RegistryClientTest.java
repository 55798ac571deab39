package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The whole way of an image: pushed, found, pulled. */
class RegistryClientTest {
    private final FakeRegistry registry = FakeRegistry.start();
    private final RegistryClient client = new RegistryClient(registry.settings(), CredentialSource.anonymous());
    private final Reference repository = registry.repository("team/app");

    @AfterEach
    void close() {
        client.close();
        registry.close();
    }

    @Test
    void pullsWhatItPushed() throws Exception {
        var config = "{\"os\":\"linux\"}".getBytes(java.nio.charset.StandardCharsets.UTF_8);
        var layer = new byte[300_000];
        new SplittableRandom(1).nextBytes(layer);
        client.push(repository, Digest.sha256(config), config);
        Descriptor pushedLayer;
        try (var upload = client.upload(repository)) {
            upload.write(layer);
            pushedLayer = upload.commit();
        }
        var manifest = ImageManifest.of(
                Descriptor.of(MediaTypes.OCI_CONFIG, config),
                List.of(pushedLayer.withMediaType(MediaTypes.OCI_LAYER_TAR)),
                null,
                null,
                Map.of("a", "b"));
        var digest = client.putManifest(repository.withTag("v1"), manifest);

        assertThat(digest).isEqualTo(manifest.digest());
        assertThat(client.resolve(repository.withTag("v1"))).isEqualTo(digest);
        var pulled = client.manifest(repository.withTag("v1"));
        assertThat(pulled).isEqualTo(manifest);
        assertThat(pulled.bytes()).isEqualTo(manifest.bytes());
        var descriptor = pulled.asManifest().orElseThrow().layers().getFirst();
        assertThat(client.blobSize(repository, descriptor.digest())).isEqualTo(layer.length);
        assertThat(client.blobBytes(repository, descriptor, 1 << 20)).isEqualTo(layer);
        try (var range = client.range(repository, descriptor.digest(), 1000, 50)) {
            assertThat(range.readAllBytes()).isEqualTo(java.util.Arrays.copyOfRange(layer, 1000, 1050));
            assertThat(range.blobSizeBytes()).hasValue(layer.length);
        }
    }
}
