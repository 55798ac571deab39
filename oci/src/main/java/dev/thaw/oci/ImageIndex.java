package dev.thaw.oci;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A list of documents, usually one for each platform: an OCI image index or a Docker manifest list. */
public final class ImageIndex implements Document {
    private final byte[] bytes;
    private final Digest digest;
    private final String mediaType;
    private final List<Descriptor> manifests;
    private final @Nullable String artifactType;
    private final @Nullable Descriptor subject;
    private final Map<String, String> annotations;

    ImageIndex(
            byte[] bytes,
            String mediaType,
            List<Descriptor> manifests,
            @Nullable String artifactType,
            @Nullable Descriptor subject,
            Map<String, String> annotations) {
        this.bytes = bytes.clone();
        this.digest = Digest.sha256(bytes);
        this.mediaType = mediaType;
        this.manifests = List.copyOf(manifests);
        this.artifactType = artifactType;
        this.subject = subject;
        this.annotations = Map.copyOf(annotations);
    }

    /** Writes an OCI index of these entries, in this order. The same arguments give the same bytes. */
    public static ImageIndex of(List<Descriptor> manifests, Map<String, String> annotations) {
        var bytes = DocumentWriter.index(manifests, annotations);
        return new ImageIndex(bytes, MediaTypes.OCI_INDEX, manifests, null, null, annotations);
    }

    /** The entries, in the order of the document. */
    public List<Descriptor> manifests() {
        return manifests;
    }

    /** The first manifest for this platform; entries without a platform, and artifacts, are passed over. */
    public Optional<Descriptor> manifestFor(Platform wanted) {
        return manifests.stream()
                .filter(entry -> entry.artifactType() == null
                        && entry.platform() != null
                        && entry.platform().matches(wanted))
                .findFirst();
    }

    @Override
    public byte[] bytes() {
        return bytes.clone();
    }

    @Override
    public String mediaType() {
        return mediaType;
    }

    @Override
    public Digest digest() {
        return digest;
    }

    @Override
    public @Nullable String artifactType() {
        return artifactType;
    }

    @Override
    public @Nullable Descriptor subject() {
        return subject;
    }

    @Override
    public Map<String, String> annotations() {
        return annotations;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof ImageIndex that && digest.equals(that.digest);
    }

    @Override
    public int hashCode() {
        return digest.hashCode();
    }

    @Override
    public String toString() {
        return "index " + digest + " of " + manifests.size();
    }
}
