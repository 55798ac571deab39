package dev.thaw.oci;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Reads indexes and manifests. Nothing is trusted: a document that could be read in two ways (both a list of manifests
 * and a list of layers, a key given twice, two media types) is refused, since two readers would see two images.
 */
final class DocumentReader {
    private static final int MOST_ENTRIES = 10_000;
    private static final ObjectReader JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build()
            .reader();

    private DocumentReader() {}

    static Document read(byte[] bytes, @Nullable String contentType) {
        require(bytes.length <= Document.MAX_BYTES, "it is larger than %d bytes", Document.MAX_BYTES);
        var root = json(bytes);
        var mediaType = mediaType(root, contentType);
        require(
                !(root.has("manifests") && (root.has("layers") || root.has("config"))),
                "it claims to be an index and a manifest at once");
        var artifactType = text(root, "artifactType");
        var subject = root.hasNonNull("subject") ? descriptor(root.get("subject")) : null;
        var annotations = annotations(root);
        if (MediaTypes.isIndex(mediaType)) {
            require(root.has("manifests"), "an index must list manifests");
            return new ImageIndex(bytes, mediaType, descriptors(root, "manifests"), artifactType, subject, annotations);
        }
        require(root.hasNonNull("config"), "a manifest must name its config");
        return new ImageManifest(
                bytes,
                mediaType,
                descriptor(root.get("config")),
                descriptors(root, "layers"),
                artifactType,
                subject,
                annotations);
    }

    /** Parses one JSON object; the message of a failure does not repeat the content. */
    static JsonNode json(byte[] bytes) {
        try {
            var root = JSON.readTree(bytes);
            if (root == null || !root.isObject()) {
                throw new IllegalArgumentException("it is not a JSON object");
            }
            return root;
        } catch (JacksonException e) {
            throw new IllegalArgumentException("it is not sound JSON ("
                    + (e.getLocation() == null
                            ? "empty"
                            : "line " + e.getLocation().getLineNr() + ", column "
                                    + e.getLocation().getColumnNr())
                    + ")");
        } catch (IOException e) {
            throw new IllegalArgumentException("it cannot be read as JSON", e);
        }
    }

    /** The document's own word decides, for it is covered by the digest; the registry's must not contradict it. */
    private static String mediaType(JsonNode root, @Nullable String contentType) {
        var named =
                contentType == null ? "" : contentType.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
        require(
                !MediaTypes.isSchema1(named) && root.path("schemaVersion").asInt(2) != 1,
                "it is a Docker schema 1 manifest, a format given up in 2019 that holds no verifiable layers;"
                        + " pull and push the image once with a current tool, or rebuild it");
        var own = text(root, "mediaType");
        if (own != null) {
            require(
                    MediaTypes.isIndex(own) || MediaTypes.isManifest(own),
                    "its media type %s is neither that of an index nor that of an image manifest",
                    Printable.of(own, 100));
            require(
                    !(MediaTypes.isIndex(named) || MediaTypes.isManifest(named)) || named.equals(own),
                    "the registry calls it %s, it calls itself %s",
                    named,
                    own);
            return own;
        }
        if (MediaTypes.isIndex(named) || MediaTypes.isManifest(named)) {
            return named;
        }
        require(
                root.has("manifests") || root.has("config"),
                "it has no media type and is neither an index nor an image manifest%s",
                named.isEmpty() ? "" : " (the registry calls it " + Printable.of(named, 100) + ")");
        return root.has("manifests") ? MediaTypes.OCI_INDEX : MediaTypes.OCI_MANIFEST;
    }

    private static List<Descriptor> descriptors(JsonNode parent, String field) {
        var list = parent.path(field);
        if (list.isMissingNode() || list.isNull()) {
            return List.of();
        }
        require(list.isArray(), "its \"%s\" is not a list", field);
        require(list.size() <= MOST_ENTRIES, "its \"%s\" has more than %d entries", field, MOST_ENTRIES);
        var found = new ArrayList<Descriptor>(list.size());
        for (var entry : list) {
            found.add(descriptor(entry));
        }
        return found;
    }

    private static Descriptor descriptor(JsonNode node) {
        var digest = text(node, "digest");
        if (digest == null) {
            throw new IllegalArgumentException("a descriptor in it has no digest");
        }
        var size = node.path("size");
        require(
                size.isIntegralNumber() && size.canConvertToLong() && size.longValue() >= 0,
                "the descriptor of %s has no size",
                Printable.of(digest, 100));
        var urls = new ArrayList<String>();
        node.path("urls").forEach(url -> urls.add(url.asText()));
        var mediaType = text(node, "mediaType");
        return new Descriptor(
                mediaType == null ? MediaTypes.OCTET_STREAM : mediaType,
                Digest.parse(digest),
                size.longValue(),
                annotations(node),
                node.path("platform").isObject() ? platform(node.get("platform")) : null,
                text(node, "artifactType"),
                urls);
    }

    private static Platform platform(JsonNode node) {
        var features = new ArrayList<String>();
        node.path("os.features").forEach(feature -> features.add(feature.asText()));
        return new Platform(
                node.path("os").asText(""),
                node.path("architecture").asText(""),
                text(node, "variant"),
                text(node, "os.version"),
                features);
    }

    private static Map<String, String> annotations(JsonNode node) {
        var annotations = new TreeMap<String, String>();
        for (var entry : node.path("annotations").properties()) {
            require(entry.getValue().isTextual(), "an annotation in it is not text");
            annotations.put(entry.getKey(), entry.getValue().asText());
        }
        return annotations;
    }

    private static @Nullable String text(JsonNode node, String field) {
        var value = node.get(field);
        return value != null && value.isTextual() && !value.asText().isEmpty() ? value.asText() : null;
    }

    private static void require(boolean condition, String rule, Object... parts) {
        if (!condition) {
            throw new IllegalArgumentException(rule.formatted(parts));
        }
    }
}
