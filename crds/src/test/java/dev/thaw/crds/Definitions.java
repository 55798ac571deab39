package dev.thaw.crds;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/** The definitions as the build wrote them. */
final class Definitions {
    static final ObjectMapper YAML = new ObjectMapper(new YAMLFactory());

    private Definitions() {}

    static JsonNode of(String plural) {
        var resource = "/META-INF/fabric8/" + plural + "." + Names.GROUP + "-v1.yml";
        try (var in = Objects.requireNonNull(Definitions.class.getResourceAsStream(resource), resource)) {
            return YAML.readTree(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static JsonNode version(String plural) {
        return of(plural).at("/spec/versions/0");
    }

    static JsonNode spec(String plural) {
        return version(plural).at("/schema/openAPIV3Schema/properties/spec");
    }

    /** Every schema below the given one, itself included, by its path. */
    static Map<String, JsonNode> schemas(JsonNode root) {
        var all = new TreeMap<String, JsonNode>();
        walk("", root, all::put);
        return all;
    }

    /** What an API server adds to an object before anyone sees it. */
    static void applyDefaults(JsonNode value, JsonNode schema) {
        if (value instanceof ObjectNode object) {
            for (var property : schema.path("properties").properties()) {
                if (!object.has(property.getKey()) && property.getValue().has("default")) {
                    object.set(
                            property.getKey(),
                            property.getValue().get("default").deepCopy());
                }
                if (object.has(property.getKey())) {
                    applyDefaults(object.get(property.getKey()), property.getValue());
                }
            }
        }
        if (value.isArray()) {
            value.forEach(item -> applyDefaults(item, schema.path("items")));
        }
    }

    private static void walk(String path, JsonNode schema, BiConsumer<String, JsonNode> visitor) {
        visitor.accept(path, schema);
        for (var property : schema.path("properties").properties()) {
            walk(path + "." + property.getKey(), property.getValue(), visitor);
        }
        if (schema.has("items")) {
            walk(path + "[]", schema.get("items"), visitor);
        }
        if (schema.has("additionalProperties")) {
            walk(path + "{}", schema.get("additionalProperties"), visitor);
        }
    }
}
