package dev.thaw.oci;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The manifest of one image or artifact: its config and its layers (OCI, or Docker schema 2). */
public final class ImageManifest implements Document {
    private final byte[] bytes;
    private final Digest digest;
    private final String mediaType;
    private final Descriptor config;
    private final List<Descriptor> layers;
    private final @Nullable String artifactType;
    private final @Nullable Descriptor subject;
    private final Map<String, String> annotations;

    ImageManifest(
            byte[] bytes,
            String mediaType,
            Descriptor config,
            List<Descriptor> layers,
            @Nullable String artifactType,
            @Nullable Descriptor subject,
            Map<String, String> annotations) {
        this.bytes = bytes.clone();
        this.digest = Digest.sha256(bytes);
        this.mediaType = mediaType;
        this.config = config;
        this.layers = List.copyOf(layers);
        this.artifactType = artifactType;
        this.subject = subject;
        this.annotations = Map.copyOf(annotations);
    }

    /** Writes an OCI manifest. The same arguments give the same bytes. */
    public static ImageManifest of(
            Descriptor config,
            List<Descriptor> layers,
            @Nullable String artifactType,
            @Nullable Descriptor subject,
            Map<String, String> annotations) {
        var bytes = DocumentWriter.manifest(config, layers, artifactType, subject, annotations);
        return new ImageManifest(bytes, MediaTypes.OCI_MANIFEST, config, layers, artifactType, subject, annotations);
    }

    public Descriptor config() {
        return config;
    }

    /** The layers, lowest first. */
    public List<Descriptor> layers() {
        return layers;
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
        return other instanceof ImageManifest that && digest.equals(that.digest);
    }

    @Override
    public int hashCode() {
        return digest.hashCode();
    }

    @Override
    public String toString() {
        return "manifest " + digest + " with " + layers.size() + " layers";
    }
}
