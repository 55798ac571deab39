package dev.thaw.crds;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class DefinitionsTest {
    @Test
    void aLazyImageIsNamespacedAndShort() {
        var names = Definitions.of("lazyimages").at("/spec/names");
        assertThat(Definitions.of("lazyimages").at("/spec/scope").asText()).isEqualTo("Namespaced");
        assertThat(words(names.get("shortNames"))).containsExactly("lzi");
        assertThat(words(names.get("categories"))).containsExactly("thaw");
    }

    @Test
    void aSnapshotterConfigBelongsToTheCluster() {
        var names = Definitions.of("snapshotterconfigs").at("/spec/names");
        assertThat(Definitions.of("snapshotterconfigs").at("/spec/scope").asText())
                .isEqualTo("Cluster");
        assertThat(words(names.get("shortNames"))).containsExactly("lzsc");
        assertThat(words(names.get("categories"))).containsExactly("thaw");
    }

    @Test
    void columnsStandInTheOrderInWhichPeopleReadThem() {
        assertThat(columns("lazyimages", 0))
                .containsExactly("Image", "Mode", "Ready", "Nodes", "Cached", "Entrypoint", "Age");
        assertThat(columns("lazyimages", 1)).containsExactly("Ready-Time", "Touched", "Reason");
        assertThat(columns("snapshotterconfigs", 0))
                .containsExactly("Ready", "Desired", "Installed", "Drivers", "Cache", "Age");
    }

    @ParameterizedTest
    @ValueSource(strings = {"lazyimages", "snapshotterconfigs"})
    void columnsReadFieldsThatExist(String plural) {
        var schema = Definitions.version(plural).at("/schema/openAPIV3Schema");
        for (var column : Definitions.version(plural).get("additionalPrinterColumns")) {
            var path = column.get("jsonPath").asText();
            if (path.startsWith(".metadata.")) {
                continue;
            }
            assertThat(Definitions.schemas(schema)).as(path).containsKey(path.replaceAll("\\[\\?\\(.*\\)]", "[]"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"lazyimages", "snapshotterconfigs"})
    void statusIsWrittenApartAndTheSpecIsRequired(String plural) {
        assertThat(Definitions.version(plural).at("/subresources/status").isObject())
                .isTrue();
        assertThat(words(Definitions.version(plural).at("/schema/openAPIV3Schema/required")))
                .containsExactly("spec");
    }

    @ParameterizedTest
    @ValueSource(strings = {"lazyimages", "snapshotterconfigs"})
    void noRuleStandsTwice(String plural) {
        int found = 0;
        for (var schema : Definitions.schemas(Definitions.spec(plural)).entrySet()) {
            var rules = schema.getValue().path("x-kubernetes-validations").findValuesAsText("rule");
            assertThat(rules).as(schema.getKey()).doesNotHaveDuplicates();
            found += rules.size();
        }
        assertThat(found).isPositive();
    }

    @ParameterizedTest
    @ValueSource(strings = {"lazyimages", "snapshotterconfigs"})
    void everyFieldOfOursExplainsItself(String plural) {
        for (var schema : Definitions.schemas(Definitions.version(plural).at("/schema/openAPIV3Schema"))
                .entrySet()) {
            var path = schema.getKey();
            boolean ofKubernetes = path.contains(".resources.") || path.contains(".tolerations[]");
            if (ofKubernetes || path.endsWith("[]") || path.endsWith("{}")) {
                continue;
            }
            assertThat(schema.getValue().path("description").asText()).as(path).isNotBlank();
        }
    }

    /** An unbounded list or string makes the cost of a rule unbounded, and the API server refuses the definition. */
    @ParameterizedTest
    @ValueSource(strings = {"lazyimages", "snapshotterconfigs"})
    void everyStringAndListOfTheSpecIsBounded(String plural) {
        for (var schema : Definitions.schemas(Definitions.spec(plural)).entrySet()) {
            var path = schema.getKey();
            if (path.contains(".resources") || path.contains(".tolerations") || path.endsWith("{}")) {
                continue;
            }
            var value = schema.getValue();
            switch (value.path("type").asText()) {
                case "array" -> assertThat(value.has("maxItems")).as(path).isTrue();
                case "string" ->
                    assertThat(value.has("maxLength")
                                    || value.has("enum")
                                    || value.path("pattern").asText().startsWith("^(64Ki"))
                            .as(path)
                            .isTrue();
                default -> assertThat(value).isNotNull();
            }
        }
    }

    @Test
    void conditionsAreAMapByType() {
        for (var plural : List.of("lazyimages", "snapshotterconfigs")) {
            var conditions =
                    Definitions.version(plural).at("/schema/openAPIV3Schema/properties/status/properties/conditions");
            assertThat(conditions.get("x-kubernetes-list-type").asText()).isEqualTo("map");
            assertThat(words(conditions.get("x-kubernetes-list-map-keys"))).containsExactly("type");
        }
    }

    @Test
    void enumsUseTheWordsOfTheDocumentation() {
        var image = Definitions.spec("lazyimages").get("properties");
        assertThat(words(image.at("/mode/enum"))).containsExactlyInAnyOrder("Auto", "Convert", "Index");
        assertThat(words(image.at("/compression/enum"))).containsExactlyInAnyOrder("zstd", "lz4", "none");
        assertThat(words(image.at("/resolve/properties/policy/enum"))).containsExactlyInAnyOrder("Follow", "Pin");
        assertThat(words(image.at("/prefetch/properties/policy/enum")))
                .containsExactlyInAnyOrder("Learn", "Paths", "Off");
        assertThat(words(image.at("/backgroundFetch/enum"))).containsExactlyInAnyOrder("Always", "AfterReady", "Never");
        assertThat(words(image.at("/warmup/properties/level/enum")))
                .containsExactlyInAnyOrder("Metadata", "Trace", "Full");
        assertThat(words(image.at("/deletionPolicy/enum"))).containsExactlyInAnyOrder("Retain", "Delete");
        var config = Definitions.spec("snapshotterconfigs").get("properties");
        assertThat(words(config.at("/driver/enum"))).containsExactlyInAnyOrder("Auto", "Erofs", "Fuse");
        assertThat(words(config.at("/containerd/properties/install/enum")))
                .containsExactlyInAnyOrder("DropIn", "Edit", "None");
        assertThat(words(config.at("/containerd/properties/restart/enum")))
                .containsExactlyInAnyOrder("Systemd", "Signal", "None");
        assertThat(words(config.at("/fetch/properties/onFailure/enum"))).containsExactlyInAnyOrder("Block", "Error");
        assertThat(words(config.at("/credentials/items/properties/type/enum")))
                .containsExactlyInAnyOrder("LazyImageSecrets", "CredentialProvider", "DockerConfig");
    }

    private static List<String> columns(String plural, int priority) {
        var names = new ArrayList<String>();
        for (var column : Definitions.version(plural).get("additionalPrinterColumns")) {
            if (column.get("priority").asInt() == priority) {
                names.add(column.get("name").asText());
            }
        }
        return names;
    }

    private static List<String> words(JsonNode array) {
        var words = new ArrayList<String>();
        array.forEach(word -> words.add(word.asText()));
        return words;
    }
}
