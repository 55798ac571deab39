package dev.thaw.converter.source;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.thaw.converter.layer.LayerStream.Promise;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.Platform;
import java.util.List;
import java.util.Map;

/**
 * The source image for one platform.
 *
 * @param platform as the index writes it, or as the configuration does if there is no index
 * @param manifest of the image
 * @param annotations of the manifest's entry in the index
 * @param config the image's configuration; not to be changed
 * @param diffIds digests of the uncompressed layers, lowest first, as many as layers
 */
public record SourcePlatform(
        Platform platform,
        ImageManifest manifest,
        Map<String, String> annotations,
        ObjectNode config,
        List<Digest> diffIds) {

    public SourcePlatform {
        annotations = Map.copyOf(annotations);
        diffIds = List.copyOf(diffIds);
    }

    /** The layers, lowest first. */
    public List<Descriptor> layers() {
        return manifest.layers();
    }

    /** What is promised of a layer's bytes. */
    public Promise promise(int layer) {
        var descriptor = layers().get(layer);
        return new Promise(
                descriptor.digest().toString(),
                descriptor.sizeBytes(),
                diffIds.get(layer).toString());
    }

    /** Compressed bytes of all layers. */
    public long layerBytes() {
        return layers().stream().mapToLong(Descriptor::sizeBytes).sum();
    }
}
