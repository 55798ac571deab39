package dev.thaw.converter.published;

import dev.thaw.converter.publish.LazyNames;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Document;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * An image that has a nydus artifact: a lazy image of ours, or what nydus' own tools publish.
 *
 * @param digest of the document that was read
 * @param entries one for each platform
 */
public record LazyImage(Digest digest, List<Entry> entries) {
    private static final String NYDUS_FEATURE = "nydus.remoteimage.v1";

    public LazyImage {
        entries = List.copyOf(entries);
    }

    /**
     * One platform.
     *
     * @param platform null if the image is a lone artifact manifest, which names none
     * @param lazy the manifest that ordinary clients run; null if there is none beside the artifact
     * @param artifact the nydus image
     */
    public record Entry(
            @Nullable Platform platform, @Nullable ImageManifest lazy, ImageManifest artifact) {
        /** The artifact's last layer, which holds the bootstrap. */
        public Descriptor bootstrapLayer() {
            return artifact.layers().getLast();
        }

        /** The artifact's blobs. */
        public List<Descriptor> blobs() {
            return artifact.layers().subList(0, artifact.layers().size() - 1);
        }

        /** The digest of the image that this was made of, if the artifact says so. */
        public Optional<Digest> source() {
            return Optional.ofNullable(artifact.subject()).map(Descriptor::digest);
        }

        /** The platform for messages. */
        public String platformText() {
            return platform == null ? "unknown platform" : platform.toString();
        }
    }

    /**
     * Reads it.
     *
     * @throws ConversionException with {@link FailureReason#UnsupportedMediaType} if it has no artifact
     */
    public static LazyImage read(Repository repository, Reference reference) throws ConversionException {
        return of(repository, repository.document(reference));
    }

    static LazyImage of(Repository repository, Document document) throws ConversionException {
        var entries = new ArrayList<Entry>();
        switch (document) {
            case ImageManifest manifest -> {
                if (isArtifact(manifest)) {
                    entries.add(new Entry(null, null, manifest));
                }
            }
            case ImageIndex index -> {
                for (var descriptor : index.manifests()) {
                    if (isArtifact(descriptor)) {
                        entries.add(entry(repository, index, descriptor));
                    }
                }
            }
        }
        if (entries.isEmpty()) {
            throw new ConversionException(
                    FailureReason.UnsupportedMediaType,
                    document.digest() + " in " + repository.reference()
                            + " is no lazy image: it names no nydus artifact; convert it first");
        }
        return new LazyImage(document.digest(), entries);
    }

    private static Entry entry(Repository repository, ImageIndex index, Descriptor descriptor)
            throws ConversionException {
        if (!(repository.document(descriptor.digest()) instanceof ImageManifest artifact)
                || artifact.layers().isEmpty()) {
            throw new ConversionException(
                    FailureReason.UnsupportedMediaType, "the artifact " + descriptor.digest() + " has no layers");
        }
        var platform = descriptor.platform();
        for (var other : index.manifests()) {
            if (!isArtifact(other)
                    && platform != null
                    && other.platform() != null
                    && other.platform().matches(platform)
                    && repository.document(other.digest()) instanceof ImageManifest lazy) {
                return new Entry(platform, lazy, artifact);
            }
        }
        return new Entry(platform, null, artifact);
    }

    private static boolean isArtifact(Descriptor descriptor) {
        return LazyNames.NYDUS_MANIFEST.equals(descriptor.artifactType())
                || descriptor.platform() != null
                        && descriptor.platform().osFeatures().contains(NYDUS_FEATURE);
    }

    private static boolean isArtifact(ImageManifest manifest) {
        return LazyNames.NYDUS_MANIFEST.equals(manifest.artifactType())
                || !manifest.layers().isEmpty()
                        && manifest.layers().getLast().annotations().containsKey(LazyNames.NYDUS_BOOTSTRAP_ANNOTATION);
    }
}
