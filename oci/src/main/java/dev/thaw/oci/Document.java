package dev.thaw.oci;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * An index or a manifest, with the very bytes it came in: its digest is theirs, and pushing it again pushes those.
 *
 * <p>Two documents are equal if their bytes are.
 */
public sealed interface Document permits ImageIndex, ImageManifest {
    /** The largest document that is read: 4 MiB, what the OCI distribution specification asks registries to take. */
    int MAX_BYTES = 4 << 20;

    /** A copy of the original bytes. */
    byte[] bytes();

    String mediaType();

    /** The sha256 digest of the bytes. */
    Digest digest();

    /** What it was made for: its {@code artifactType}, or null. */
    @Nullable String artifactType();

    /** What it refers to, or null. */
    @Nullable Descriptor subject();

    Map<String, String> annotations();

    /** A plain descriptor of this document. */
    default Descriptor descriptor() {
        return new Descriptor(mediaType(), digest(), bytes().length);
    }

    /** The document as an index, if it is one. */
    default Optional<ImageIndex> asIndex() {
        return this instanceof ImageIndex index ? Optional.of(index) : Optional.empty();
    }

    /** The document as a manifest, if it is one. */
    default Optional<ImageManifest> asManifest() {
        return this instanceof ImageManifest manifest ? Optional.of(manifest) : Optional.empty();
    }

    /**
     * Reads a document.
     *
     * @param contentType what the registry called it, or null; what the document says of itself must not contradict it
     * @throws IllegalArgumentException if it is neither an index nor a manifest, is both, is damaged, or is a Docker
     *     schema 1 manifest; the message is a sentence about the document without its name
     */
    static Document parse(byte[] bytes, @Nullable String contentType) {
        return DocumentReader.read(bytes, contentType);
    }
}
