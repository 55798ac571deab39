package dev.thaw.agent.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.agent.image.NydusToolsImage.Manifest;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.RegistryClient;
import dev.thaw.rafs.Bootstrap;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What of a registry is taken for a lazy image, and what is refused in which words. */
class ImageFetchTest {
    @TempDir
    Path temp;

    private final FakeRegistry registry = FakeRegistry.start();
    private final RegistryClient client = new RegistryClient(registry.settings(), CredentialSource.anonymous());

    @AfterEach
    void close() {
        client.close();
        registry.close();
    }

    private StoredImage fetch(ImageEntry entry) throws Exception {
        return ImageFetch.fetch(temp.resolve("images"), entry, client);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "WITHOUT_BLOB")
    void takesImagesOfNydusTools(Manifest kind) throws Exception {
        var stored = fetch(NydusToolsImage.publish(registry, temp.resolve("work"), "zstd-sha256", kind));

        assertThat(stored.layers()).isEqualTo(kind == Manifest.BLOB_IN_ANNOTATION ? 1 : 2);
        try (var bootstrap = Bootstrap.open(stored.bootstrap())) {
            assertThat(bootstrap.resolve("/directory/same-numbers")).isPresent();
        }
    }

    @Test
    void refusesABlobThatTheManifestDoesNotName() throws Exception {
        var entry = NydusToolsImage.publish(registry, temp.resolve("work"), "zstd-sha256", Manifest.WITHOUT_BLOB);

        assertThatThrownBy(() -> fetch(entry)).isInstanceOf(IOException.class).hasMessageContaining("is no layer");
    }

    @Test
    void countsTheMarkerOfOurOwnImages() throws Exception {
        var sample = SampleImage.publish(registry, temp.resolve("work"), BackgroundFetch.NEVER, List.of());

        assertThat(fetch(sample.entry()).layers()).isEqualTo(3);
    }

    @Test
    void refusesOtherFormatsByName() throws Exception {
        assertRefused("RAFS v5", image -> image.putInt(0, 0x52414653));
        assertRefused("plain EROFS image", image -> image.putInt(1024, 0xE0F5E1E2));
        assertRefused("an EROFS image has", image -> image.putInt(1024, 0));
    }

    private interface Filling {
        void of(ByteBuffer image);
    }

    private void assertRefused(String reason, Filling filling) throws Exception {
        var bootstrap = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);
        filling.of(bootstrap);
        Descriptor blob = registry.addBlob(NydusToolsImage.REPOSITORY, "x/y", new byte[1]);
        var entry = NydusToolsImage.publish(registry, bootstrap.array(), blob, Manifest.DOCKER);

        assertThatThrownBy(() -> fetch(entry))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("the bootstrap is refused")
                .hasMessageContaining(reason);
    }
}
