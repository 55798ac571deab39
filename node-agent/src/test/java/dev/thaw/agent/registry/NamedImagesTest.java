package dev.thaw.agent.registry;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.RegistryClient;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class NamedImagesTest {
    private static final String REPOSITORY = "team/app";
    private static final String ARTIFACT_TYPE = "application/vnd.nydus.image.manifest.v1+json";

    private final FakeRegistry registry = FakeRegistry.start();
    private final RegistryClient client = new RegistryClient(registry.settings(), CredentialSource.anonymous());
    private final NamedImages images = new NamedImages(
            List.of(registry.repository(REPOSITORY).withTag("lazy")),
            Set.of(registry.host()),
            client,
            Clock.systemUTC());

    @AfterEach
    void close() {
        client.close();
        registry.close();
    }

    private Digest publish(String content) {
        var artifact = Descriptor.of(MediaTypes.OCI_MANIFEST, content.getBytes(StandardCharsets.UTF_8))
                .withArtifactType(ARTIFACT_TYPE);
        registry.addManifest(REPOSITORY, "lazy", ImageIndex.of(List.of(artifact), Map.of()));
        return artifact.digest();
    }

    @Test
    void doesNotAskForWhatWasLookedUpAhead() {
        var artifact = publish("first");
        images.lookAhead();
        registry.forgetRequests();

        assertThat(images.find(artifact)).hasValueSatisfying(image -> {
            assertThat(image.artifact()).isEqualTo(artifact);
            assertThat(image.plainHttp()).isTrue();
        });
        assertThat(registry.requests()).isEmpty();
    }

    @Test
    void looksAgainAtOnceForAnImageThatWasPublishedAfterwards() {
        images.lookAhead();
        var artifact = publish("later");

        assertThat(images.find(artifact)).isPresent();
    }

    @Test
    void doesNotAskWithoutEndForWhatNobodyPublishes() {
        publish("first");
        var unknown = Digest.sha256("unknown".getBytes(StandardCharsets.UTF_8));

        assertThat(images.find(unknown)).isEmpty();
        registry.forgetRequests();
        assertThat(images.find(unknown)).isEmpty();

        assertThat(registry.requests()).isEmpty();
    }
}
