package dev.thaw.converter.publish;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.thaw.converter.source.SourcePlatform;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Makes the documents of a lazy image.
 *
 * <p>The order of the index decides which manifest ordinary clients run. containerd takes the first entry of the best matching
 * platform, skopeo and podman likewise, so all lazy manifests come first. An artifact has its image's platform, because nydus'
 * clients look for it there; no ordinary client gets that far. Annotations of the source's entries are kept on the lazy ones
 * (skopeo and podman prefer entries marked as zstd) and never put on artifacts.
 */
public final class LazyDocuments {
    private static final ObjectMapper JSON = new ObjectMapper()
            .configure(StreamWriteFeature.WRITE_BIGDECIMAL_AS_PLAIN.mappedFeature(), true)
            .disable(SerializationFeature.INDENT_OUTPUT);

    private static final String EPOCH = "1970-01-01T00:00:00Z";
    private static final String SNAPSHOT_ANNOTATIONS = "containerd.io/snapshot/";

    private LazyDocuments() {}

    /** The original configuration with one more layer below, and the label that says where it is from. */
    public static byte[] lazyConfig(SourcePlatform source, Marker marker) {
        var config = source.config().deepCopy();
        object(object(config, "config"), "Labels")
                .put(LazyNames.SOURCE_LABEL, source.manifest().digest().toString());
        var diffIds = new ArrayList<Digest>();
        diffIds.add(marker.diffId());
        diffIds.addAll(source.diffIds());
        setDiffIds(config, diffIds);
        if (config.path("history") instanceof ArrayNode history && !history.isEmpty()) {
            history.insertObject(0)
                    .put("created", EPOCH)
                    .put("created_by", "thaw-converter")
                    .put("comment", "marks the layers above as those of a lazy image; holds no files");
        }
        return bytes(config);
    }

    /** The original configuration over the layers of the artifact. */
    public static byte[] artifactConfig(SourcePlatform source, List<Digest> diffIds) {
        var config = source.config().deepCopy();
        setDiffIds(config, diffIds);
        if (config.path("history") instanceof ArrayNode history) {
            history.addObject()
                    .put("created", EPOCH)
                    .put("created_by", "thaw-converter")
                    .put("comment", "Nydus Bootstrap Layer");
        }
        return bytes(config);
    }

    /**
     * A genuine nydus image.
     *
     * @param config descriptor of {@link #artifactConfig}
     * @param blobs descriptors by {@link #blob}, in layer order, each once; then those that other images brought
     * @param bootstrap descriptor by {@link #bootstrap}
     * @param mode {@code Convert}, or {@code Index} if blobs describe layers that stay as they are
     * @param dictionary the artifact that was the dictionary, if there was one
     */
    public static ImageManifest artifactManifest(
            SourcePlatform source,
            Descriptor config,
            List<Descriptor> blobs,
            Descriptor bootstrap,
            String mode,
            Optional<Digest> dictionary) {
        var layers = new ArrayList<>(blobs);
        layers.add(bootstrap);
        var subject = source.manifest().descriptor();
        var annotations = new TreeMap<>(Map.of(
                LazyNames.MODE_ANNOTATION,
                mode,
                LazyNames.LAYERS_ANNOTATION,
                Integer.toString(source.layers().size()),
                LazyNames.FORMAT_ANNOTATION,
                LazyNames.FORMAT));
        dictionary.ifPresent(artifact -> annotations.put(LazyNames.DICTIONARY_ANNOTATION, artifact.toString()));
        return ImageManifest.of(config, layers, LazyNames.NYDUS_MANIFEST, subject, annotations);
    }

    /** A blob's entry in an artifact manifest. */
    public static Descriptor blob(Digest digest, long sizeBytes) {
        return new Descriptor(LazyNames.NYDUS_BLOB, digest, sizeBytes)
                .withAnnotation(LazyNames.NYDUS_BLOB_ANNOTATION, "true");
    }

    /** The entry of a blob that describes an untouched layer. */
    public static Descriptor index(Digest digest, long sizeBytes, Digest layer) {
        return blob(digest, sizeBytes).withAnnotation(LazyNames.NYDUS_REFERENCE_ANNOTATION, layer.toString());
    }

    /** The bootstrap layer's entry in an artifact manifest. */
    public static Descriptor bootstrap(Digest digest, long sizeBytes) {
        return new Descriptor(MediaTypes.OCI_LAYER_GZIP, digest, sizeBytes)
                .withAnnotation(LazyNames.NYDUS_BOOTSTRAP_ANNOTATION, "true")
                .withAnnotation(LazyNames.NYDUS_VERSION_ANNOTATION, "6");
    }

    /**
     * The image as ordinary clients see it: marker and the source's own layers. Docker's layer types become the OCI types of the
     * same bytes.
     */
    public static ImageManifest lazyManifest(SourcePlatform source, Descriptor config, Marker marker, Digest artifact) {
        var layers = new ArrayList<Descriptor>();
        layers.add(marker.descriptor().withAnnotation(LazyNames.IMAGE_ANNOTATION, artifact.toString()));
        for (var layer : source.layers()) {
            var annotations = new TreeMap<>(layer.annotations());
            // Other snapshotters' annotations speak of other conversions, and would confuse theirs and ours.
            annotations.keySet().removeIf(key -> key.startsWith(SNAPSHOT_ANNOTATIONS));
            annotations.put(LazyNames.IMAGE_ANNOTATION, artifact.toString());
            layers.add(layer.withMediaType(MediaTypes.toOci(layer.mediaType())).withAnnotations(annotations));
        }
        return ImageManifest.of(config, layers, null, null, source.manifest().annotations());
    }

    /** One platform's two manifests. */
    public record Pair(SourcePlatform source, ImageManifest lazy, ImageManifest artifact) {}

    public static ImageIndex index(List<Pair> pairs) {
        var entries = new ArrayList<Descriptor>();
        for (var pair : pairs) {
            entries.add(pair.lazy()
                    .descriptor()
                    .withPlatform(pair.source().platform())
                    .withAnnotations(pair.source().annotations()));
        }
        for (var pair : pairs) {
            entries.add(pair.artifact()
                    .descriptor()
                    .withPlatform(pair.source().platform())
                    .withArtifactType(LazyNames.NYDUS_MANIFEST));
        }
        return ImageIndex.of(entries, Map.of());
    }

    /** What a blob is pushed with so that the next conversion finds it by its source layer. */
    public static ImageManifest layerRecord(Descriptor sourceLayer, Descriptor blob, String options) {
        return ImageManifest.of(
                Descriptor.EMPTY_JSON,
                List.of(blob),
                LazyNames.LAYER_RECORD,
                new Descriptor(
                        MediaTypes.toOci(sourceLayer.mediaType()), sourceLayer.digest(), sourceLayer.sizeBytes()),
                Map.of(LazyNames.OPTIONS_ANNOTATION, options));
    }

    private static ObjectNode object(ObjectNode parent, String key) {
        return parent.get(key) instanceof ObjectNode child ? child : parent.putObject(key);
    }

    private static void setDiffIds(ObjectNode config, List<Digest> diffIds) {
        var rootfs = object(config, "rootfs");
        rootfs.put("type", "layers");
        var array = rootfs.putArray("diff_ids");
        diffIds.forEach(diffId -> array.add(diffId.toString()));
    }

    private static byte[] bytes(ObjectNode json) {
        try {
            return JSON.writeValueAsBytes(json);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException("writing to memory does not fail", e);
        }
    }
}
