package dev.thaw.converter.source;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * An image as its registry has it now.
 *
 * @param reference as it was given
 * @param digest of the index or manifest that it means
 * @param platforms those asked for, in the order of the index
 */
public record SourceImage(Reference reference, Digest digest, List<SourcePlatform> platforms) {
    private static final int MAX_CONFIG_BYTES = 8 << 20;
    /** Marks entries of an index that are no images but speak of one (Buildkit's attestations). */
    private static final String REFERENCE_TYPE = "vnd.docker.reference.type";

    private static final Set<String> LAYERS = Set.of(
            MediaTypes.OCI_LAYER_TAR,
            MediaTypes.OCI_LAYER_GZIP,
            MediaTypes.OCI_LAYER_ZSTD,
            MediaTypes.DOCKER_LAYER_TAR,
            MediaTypes.DOCKER_LAYER_GZIP,
            MediaTypes.DOCKER_LAYER_ZSTD);

    /** Numbers and the order of keys stay as they are, since the configuration is written out again. */
    private static final ObjectMapper JSON = new ObjectMapper()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .setNodeFactory(JsonNodeFactory.withExactBigDecimals(true));

    public SourceImage {
        platforms = List.copyOf(platforms);
    }

    /**
     * Finds out what the reference means and reads manifests and configurations.
     *
     * @param wanted empty for all Linux platforms of the image
     * @throws ConversionException if it is not there, lacks a wanted platform, or is nothing that can be converted
     */
    public static SourceImage resolve(Repository repository, Reference reference, List<Platform> wanted)
            throws IOException {
        var document = repository.document(reference);
        var platforms = switch (document) {
            case ImageIndex index -> ofIndex(repository, index, wanted);
            case ImageManifest manifest -> List.of(ofManifest(repository, manifest, wanted));
        };
        return new SourceImage(reference, document.digest(), platforms);
    }

    private static List<SourcePlatform> ofIndex(Repository repository, ImageIndex index, List<Platform> wanted)
            throws IOException {
        var chosen = new ArrayList<Descriptor>();
        if (wanted.isEmpty()) {
            for (var entry : index.manifests()) {
                var platform = entry.platform();
                if (isImage(entry)
                        && platform != null
                        && platform.os().equals("linux")
                        && chosen.stream().noneMatch(other -> matches(other, platform))) {
                    chosen.add(entry);
                }
            }
        } else {
            for (var platform : wanted) {
                index.manifests().stream()
                        .filter(entry -> isImage(entry) && matches(entry, platform))
                        .findFirst()
                        .filter(entry -> !chosen.contains(entry))
                        .ifPresent(chosen::add);
                if (chosen.stream().noneMatch(entry -> matches(entry, platform))) {
                    throw platformNotFound(platform.toString(), platforms(index));
                }
            }
            chosen.sort((a, b) -> Integer.compare(
                    index.manifests().indexOf(a), index.manifests().indexOf(b)));
        }
        if (chosen.isEmpty()) {
            throw platformNotFound("linux", platforms(index));
        }
        var platforms = new ArrayList<SourcePlatform>();
        for (var entry : chosen) {
            var document = repository.document(repository.reference().withDigest(entry.digest()));
            if (!(document instanceof ImageManifest manifest)) {
                throw unsupported("the index " + index.digest() + " names another index, " + entry.digest());
            }
            platforms.add(read(repository, manifest, entry));
        }
        return platforms;
    }

    private static boolean isImage(Descriptor entry) {
        return entry.artifactType() == null
                && !entry.annotations().containsKey(REFERENCE_TYPE)
                && entry.platform() != null
                && !entry.platform().os().equals("unknown")
                && !entry.platform().osFeatures().contains("nydus.remoteimage.v1");
    }

    private static boolean matches(Descriptor entry, Platform wanted) {
        return entry.platform() != null && entry.platform().matches(wanted);
    }

    private static String platforms(ImageIndex index) {
        return index.manifests().stream()
                .filter(SourceImage::isImage)
                .map(entry -> String.valueOf(entry.platform()))
                .collect(Collectors.joining(", "));
    }

    private static SourcePlatform ofManifest(Repository repository, ImageManifest manifest, List<Platform> wanted)
            throws IOException {
        var source = read(repository, manifest, manifest.descriptor());
        for (var platform : wanted) {
            if (!source.platform().matches(platform)) {
                throw platformNotFound(platform.toString(), source.platform().toString());
            }
        }
        return source;
    }

    private static SourcePlatform read(Repository repository, ImageManifest manifest, Descriptor entry)
            throws IOException {
        checkTypes(manifest);
        var config = config(repository, manifest);
        var platform = entry.platform() != null ? entry.platform() : platformOf(config, manifest);
        return new SourcePlatform(platform, manifest, entry.annotations(), config, diffIds(config, manifest));
    }

    private static void checkTypes(ImageManifest manifest) throws ConversionException {
        var configType = manifest.config().mediaType();
        if (!configType.equals(MediaTypes.OCI_CONFIG) && !configType.equals(MediaTypes.DOCKER_CONFIG)) {
            throw unsupported(
                    "the manifest " + manifest.digest() + " is no container image: its config is a " + configType);
        }
        for (var layer : manifest.layers()) {
            var type = layer.mediaType();
            if (type.contains("nondistributable") || type.contains(".foreign.")) {
                throw unsupported("layer " + layer.digest() + " is non-distributable (" + type
                        + "): its owner does not allow copies in other registries, so no lazy image can hold it");
            }
            if (type.contains("encrypted")) {
                throw unsupported("layer " + layer.digest() + " is encrypted (" + type
                        + "); lazy images hold layers in the clear");
            }
            if (!LAYERS.contains(type)) {
                throw unsupported("layer " + layer.digest() + " is a " + type
                        + "; tar, tar+gzip and tar+zstd layers of OCI and Docker can be converted");
            }
        }
    }

    private static ObjectNode config(Repository repository, ImageManifest manifest) throws IOException {
        var bytes = repository.small(manifest.config(), MAX_CONFIG_BYTES);
        JsonNode json;
        try {
            json = JSON.readTree(bytes);
        } catch (IOException e) {
            throw corruptConfig(manifest, "is no JSON");
        }
        if (!(json instanceof ObjectNode config)) {
            throw corruptConfig(manifest, "is no JSON object");
        }
        return config;
    }

    private static Platform platformOf(ObjectNode config, ImageManifest manifest) throws ConversionException {
        var os = config.path("os").asText("");
        var architecture = config.path("architecture").asText("");
        if (os.isEmpty() || architecture.isEmpty()) {
            throw corruptConfig(manifest, "names no platform");
        }
        var variant = config.path("variant").asText("");
        if (!os.equals("linux")) {
            throw platformNotFound("linux", os + "/" + architecture);
        }
        return new Platform(os, architecture, variant.isEmpty() ? null : variant, null, List.of());
    }

    private static List<Digest> diffIds(ObjectNode config, ImageManifest manifest) throws ConversionException {
        var diffIds = new ArrayList<Digest>();
        for (var diffId : config.path("rootfs").path("diff_ids")) {
            try {
                diffIds.add(Digest.parse(diffId.asText()));
            } catch (IllegalArgumentException e) {
                throw corruptConfig(manifest, "holds a diff_id that is no digest: " + e.getMessage());
            }
        }
        if (diffIds.size() != manifest.layers().size()) {
            throw corruptConfig(
                    manifest,
                    "has " + diffIds.size() + " diff_ids for "
                            + manifest.layers().size() + " layers");
        }
        return diffIds;
    }

    /** All layers of all platforms, each once, in order of first use. */
    public Map<Digest, Descriptor> distinctLayers() {
        return platforms.stream()
                .flatMap(platform -> platform.layers().stream())
                .collect(Collectors.toMap(
                        Descriptor::digest, layer -> layer, (first, second) -> first, LinkedHashMap::new));
    }

    private static ConversionException corruptConfig(ImageManifest manifest, String why) {
        return new ConversionException(
                FailureReason.CorruptLayer,
                "the configuration " + manifest.config().digest() + " of the image " + why);
    }

    private static ConversionException unsupported(String message) {
        return new ConversionException(FailureReason.UnsupportedMediaType, message);
    }

    private static ConversionException platformNotFound(String wanted, String there) {
        return new ConversionException(
                FailureReason.PlatformNotFound,
                "the image has nothing for " + wanted + "; it has: " + (there.isEmpty() ? "no platform" : there));
    }
}
