package dev.thaw.operator.image;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.LazyImageStatus.PlatformImage;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryException;
import dev.thaw.operator.registry.ImageRegistry;
import dev.thaw.operator.registry.TargetReference;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Deletes from the registry what a LazyImage has published: the tag if it still points there, the index, and each
 * platform's lazy manifest and artifact. What another LazyImage has published too stays. Blobs are the registry's to
 * collect.
 */
final class Removal {
    private final ImageRegistry registry;

    Removal(ImageRegistry registry) {
        this.registry = registry;
    }

    /** One published image. */
    private record Publication(Reference index, List<PlatformImage> platforms) {}

    /**
     * @param others all other LazyImages
     * @throws IOException if something could not be deleted; what could is, and trying again is fine
     */
    void of(LazyImage image, List<LazyImage> others, CredentialSource credentials) throws IOException {
        var kept = new HashSet<String>();
        others.forEach(other -> publications(other).forEach(publication -> {
            kept.add(publication.index().toString());
            publication.platforms().forEach(platform -> kept.addAll(names(publication, platform)));
        }));
        var publications = publications(image);
        untag(image, publications, kept, credentials);
        for (var publication : publications) {
            if (!kept.contains(publication.index().toString())) {
                registry.delete(publication.index(), credentials);
            }
            for (var platform : publication.platforms()) {
                delete(publication.index(), platform, kept, credentials);
            }
        }
    }

    private void untag(LazyImage image, List<Publication> publications, Set<String> kept, CredentialSource credentials)
            throws IOException {
        var target = TargetReference.of(image.getSpec());
        try {
            var index = target.withDigest(registry.digest(target, credentials));
            boolean ours = publications.stream()
                    .anyMatch(publication -> publication.index().equals(index));
            if (ours && !kept.contains(index.toString())) {
                registry.delete(target, credentials);
            }
        } catch (RegistryException.NotFound _) {
            // nothing carries the tag
        } catch (RegistryException.Invalid | RegistryException.Denied e) {
            // Many registries do not delete tags alone; deleting the index takes the tag with it.
        }
    }

    private void delete(Reference index, PlatformImage platform, Set<String> kept, CredentialSource credentials)
            throws IOException {
        var lazy = index.withDigest(Digest.parse(platform.lazyDigest()));
        if (!kept.contains(lazy.toString())) {
            registry.delete(lazy, credentials);
        }
        var artifact = Digest.parse(platform.artifactDigest());
        if (!kept.contains(index.withDigest(artifact).toString())) {
            registry.deleteReferrer(index.withoutTag(), Digest.parse(platform.sourceDigest()), artifact, credentials);
        }
    }

    private static List<Publication> publications(LazyImage image) {
        var status = image.getStatus() == null ? LazyImageStatus.EMPTY : image.getStatus();
        var all = new ArrayList<Publication>();
        if (status.lazyImage() != null) {
            all.add(new Publication(Reference.parse(status.lazyImage()), status.platforms()));
        }
        status.earlier()
                .forEach(
                        earlier -> all.add(new Publication(Reference.parse(earlier.lazyImage()), earlier.platforms())));
        return all;
    }

    private static List<String> names(Publication publication, PlatformImage platform) {
        return List.of(
                publication
                        .index()
                        .withDigest(Digest.parse(platform.lazyDigest()))
                        .toString(),
                publication
                        .index()
                        .withDigest(Digest.parse(platform.artifactDigest()))
                        .toString());
    }
}
