package dev.thaw.operator.registry;

import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistryException;
import dev.thaw.oci.RegistrySettings;
import java.io.IOException;
import java.util.List;
import java.util.Objects;

/**
 * Registries over HTTP. A client lives for one call: the next LazyImage of the same registry may come with other
 * credentials, and tokens must not be shared between namespaces.
 */
public final class HttpImageRegistry implements ImageRegistry {
    /** The platform of an entry that is no image, such as a build attestation. */
    private static final String NO_PLATFORM = "unknown";

    private final RegistrySettings settings;

    public HttpImageRegistry(RegistrySettings settings) {
        this.settings = settings;
    }

    @Override
    public Digest digest(Reference reference, CredentialSource credentials) throws IOException {
        try (var client = new RegistryClient(settings, credentials)) {
            return client.resolve(reference);
        }
    }

    @Override
    public SourceImage image(Reference byDigest, CredentialSource credentials) throws IOException {
        try (var client = new RegistryClient(settings, credentials)) {
            var document = client.manifest(byDigest);
            List<Platform> platforms = switch (document) {
                case ImageManifest _ -> List.of();
                case ImageIndex index ->
                    index.manifests().stream()
                            .filter(entry -> entry.artifactType() == null)
                            .map(Descriptor::platform)
                            .filter(Objects::nonNull)
                            .filter(platform -> !platform.os().equals(NO_PLATFORM))
                            .map(Platform::normalized)
                            .distinct()
                            .toList();
            };
            return new SourceImage(document.digest(), document.mediaType(), platforms);
        }
    }

    @Override
    public void tryPush(Reference repository, CredentialSource credentials) throws IOException {
        try (var client = new RegistryClient(settings, credentials)) {
            client.upload(repository).abort();
        }
    }

    @Override
    public void delete(Reference manifest, CredentialSource credentials) throws IOException {
        try (var client = new RegistryClient(settings, credentials)) {
            client.deleteManifest(manifest);
        } catch (RegistryException.NotFound _) {
            // gone already
        }
    }

    @Override
    public void deleteReferrer(Reference repository, Digest subject, Digest referrer, CredentialSource credentials)
            throws IOException {
        try (var client = new RegistryClient(settings, credentials)) {
            client.deleteReferrer(repository, subject, referrer);
        } catch (RegistryException.NotFound _) {
            // gone already
        }
    }
}
