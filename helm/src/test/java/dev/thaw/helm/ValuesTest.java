package dev.thaw.helm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The values, their schema and their documentation say the same. */
final class ValuesTest {
    private final JsonNode values = Chart.read("values.yaml");
    private final JsonNode schema = Chart.read("values.schema.json");

    @ParameterizedTest
    @ValueSource(
            strings = {
                "oprator: {}",
                "operator: {replica: 2}",
                "operator: {replicas: two}",
                "operator: {replicas: -1}",
                "image: {pullPolicy: Sometimes}",
                "webhook: {timeoutSeconds: 31}",
                "webhook: {failurePolicy: Fail}",
                "snapshotter: {driver: Overlay}",
                "snapshotter: {cache: {size: 1Gi}}",
                "snapshotter: {cache: {maxSize: lots}}",
                "snapshotter: {containerd: {install: dropin}}",
                "snapshotter: {fetch: {timeout: 30}}",
                "snapshotter: {credentials: [{type: Vault}]}",
                "registries: [{plainHttp: true}]",
                "drain: {timeout: soon}"
            })
    void refusesWhatItDoesNotKnow(String wrong) {
        assertThatThrownBy(() -> Chart.render(wrong)).hasMessageContaining("schema");
    }

    @Test
    void everyObjectOfTheSchemaIsClosed() {
        var open = new ArrayList<String>();
        openObjects("", schema, open);
        assertThat(open).isEmpty();
    }

    @Test
    void everyValueHasASchemaAndEverySchemaAValue() {
        assertThat(difference("", values, schema)).isEmpty();
    }

    @Test
    void everyValueIsExplained() {
        var explained = ValuesTable.of(Chart.FOLDER.resolve("values.yaml")).keys();
        var leaves = new TreeSet<String>();
        leaves("", values, leaves);
        leaves.removeIf(leaf -> explained.stream().anyMatch(key -> leaf.equals(key) || leaf.startsWith(key + ".")));
        assertThat(leaves).isEmpty();
    }

    @Test
    void theSnapshotterValuesAreTheFieldsOfTheResource() {
        var fields = new TreeSet<String>();
        Chart.read("files/crds/snapshotterconfigs.yaml")
                .at("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties")
                .fieldNames()
                .forEachRemaining(fields::add);
        var offered = new TreeSet<String>();
        values.get("snapshotter").fieldNames().forEachRemaining(offered::add);
        offered.removeAll(Set.of("create", "name"));
        assertThat(offered).isEqualTo(fields);
    }

    @Test
    void theSnapshotterDefaultsAreThoseOfTheResource() {
        var properties = Chart.read("files/crds/snapshotterconfigs.yaml")
                .at("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");
        for (var part : Set.of("containerd", "cache", "fetch", "updateStrategy")) {
            for (var value : properties.at("/" + part + "/default").properties()) {
                assertThat(values.at("/snapshotter/" + part + "/" + value.getKey()))
                        .as(part + "." + value.getKey())
                        .isEqualTo(value.getValue());
            }
        }
        assertThat(values.at("/snapshotter/driver")).isEqualTo(properties.at("/driver/default"));
    }

    private static void openObjects(String path, JsonNode schema, ArrayList<String> open) {
        if (schema.has("properties") && schema.path("additionalProperties").asBoolean(true)) {
            open.add(path);
        }
        schema.path("properties").properties().forEach(p -> openObjects(path + "." + p.getKey(), p.getValue(), open));
        if (schema.has("items")) {
            openObjects(path + "[]", schema.get("items"), open);
        }
    }

    private static Set<String> difference(String path, JsonNode values, JsonNode schema) {
        var different = new TreeSet<String>();
        for (var property : schema.path("properties").properties()) {
            if (!values.has(property.getKey()) && !isOptional(path, property.getKey())) {
                different.add("no value: " + path + property.getKey());
            }
        }
        if (schema.has("properties")) {
            for (var value : values.properties()) {
                var its = schema.at("/properties/" + value.getKey());
                if (its.isMissingNode()) {
                    different.add("no schema: " + path + value.getKey());
                } else if (value.getValue().isObject()) {
                    different.addAll(difference(path + value.getKey() + ".", value.getValue(), its));
                }
            }
        }
        return different;
    }

    /** What is left to the user, and what Helm adds. */
    private static boolean isOptional(String path, String key) {
        return path.endsWith("resources.")
                || path.equals("certManager.issuerRef.")
                || path.isEmpty() && key.equals("global");
    }

    private static void leaves(String path, JsonNode node, Set<String> leaves) {
        if (node.isObject() && !node.isEmpty()) {
            node.properties()
                    .forEach(p -> leaves(path.isEmpty() ? p.getKey() : path + "." + p.getKey(), p.getValue(), leaves));
        } else {
            leaves.add(path);
        }
    }
}
