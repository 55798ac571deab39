package dev.thaw.oci;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Names content by what it is (OCI image specification, "Content Descriptors").
 *
 * @param mediaType what the content is
 * @param digest its digest
 * @param sizeBytes its size in bytes
 * @param annotations sorted by key, so that what is written from it is the same each time
 * @param platform in entries of an index, else null
 * @param artifactType in entries of an index or of a referrers list, else null
 * @param urls other places of the content (foreign layers); mostly empty
 */
public record Descriptor(
        String mediaType,
        Digest digest,
        long sizeBytes,
        Map<String, String> annotations,
        @Nullable Platform platform,
        @Nullable String artifactType,
        List<String> urls) {
    /** The empty JSON object {@code {}}, the config of artifacts that have none. */
    public static final Descriptor EMPTY_JSON = new Descriptor(
            MediaTypes.OCI_EMPTY,
            Digest.parse("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
            2);

    /** @throws IllegalArgumentException if the size is negative */
    public Descriptor {
        if (sizeBytes < 0) {
            throw new IllegalArgumentException("the size of " + digest + " is negative: " + sizeBytes);
        }
        annotations = Collections.unmodifiableMap(new TreeMap<>(annotations));
        urls = List.copyOf(urls);
    }

    public Descriptor(String mediaType, Digest digest, long sizeBytes) {
        this(mediaType, digest, sizeBytes, Map.of(), null, null, List.of());
    }

    /** Describes these bytes by their sha256 digest. */
    public static Descriptor of(String mediaType, byte[] content) {
        return new Descriptor(mediaType, Digest.sha256(content), content.length);
    }

    public Descriptor withMediaType(String newMediaType) {
        return new Descriptor(newMediaType, digest, sizeBytes, annotations, platform, artifactType, urls);
    }

    /** The same content with exactly these annotations. */
    public Descriptor withAnnotations(Map<String, String> newAnnotations) {
        return new Descriptor(mediaType, digest, sizeBytes, newAnnotations, platform, artifactType, urls);
    }

    /** The same content with one more annotation; an older one of that key is replaced. */
    public Descriptor withAnnotation(String key, String value) {
        var more = new TreeMap<>(annotations);
        more.put(key, value);
        return withAnnotations(more);
    }

    public Descriptor withPlatform(@Nullable Platform newPlatform) {
        return new Descriptor(mediaType, digest, sizeBytes, annotations, newPlatform, artifactType, urls);
    }

    public Descriptor withArtifactType(@Nullable String newArtifactType) {
        return new Descriptor(mediaType, digest, sizeBytes, annotations, platform, newArtifactType, urls);
    }
}
