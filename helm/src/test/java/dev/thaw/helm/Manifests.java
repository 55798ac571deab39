package dev.thaw.helm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a release consists of. */
record Manifests(List<JsonNode> objects, String text) {
    List<JsonNode> all(String kind) {
        return objects.stream()
                .filter(object -> object.path("kind").asText().equals(kind))
                .toList();
    }

    Optional<JsonNode> find(String kind, String name) {
        return all(kind).stream()
                .filter(object -> object.at("/metadata/name").asText().equals(name))
                .findFirst();
    }

    JsonNode the(String kind, String name) {
        return find(kind, name)
                .orElseThrow(() -> new AssertionError("no " + kind + " " + name + " among "
                        + all(kind).stream()
                                .map(object -> object.at("/metadata/name").asText())
                                .toList()));
    }

    /** The operator's container. */
    JsonNode operator() {
        return the("Deployment", "thaw-operator").at("/spec/template/spec/containers/0");
    }

    /** Value of a variable of the operator's environment. */
    Optional<String> variable(String name) {
        for (var variable : operator().get("env")) {
            if (variable.get("name").asText().equals(name)) {
                return Optional.of(variable.path("value").asText());
            }
        }
        return Optional.empty();
    }

    /** Every object of these kinds is there, and no other kind. */
    void consistOf(String... kinds) {
        assertThat(objects.stream().map(object -> object.get("kind").asText()).distinct())
                .containsExactlyInAnyOrder(kinds);
    }

    static List<String> words(JsonNode array) {
        var words = new ArrayList<String>();
        array.forEach(word -> words.add(word.asText()));
        return words;
    }
}
