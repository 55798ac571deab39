package dev.thaw.helm;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The table of values in the chart's README, made from the comments of values.yaml: {@code # -- text} above a key, which may
 * go on in the comment lines below it.
 */
final class ValuesTable {
    private static final String BEGIN = "<!-- values: begin -->";
    private static final String END = "<!-- values: end -->";
    private static final Pattern KEY = Pattern.compile("^( *)([A-Za-z][A-Za-z0-9]*):.*$");

    private final Map<String, String> explanations;
    private final JsonNode values;

    private ValuesTable(Map<String, String> explanations, JsonNode values) {
        this.explanations = explanations;
        this.values = values;
    }

    static ValuesTable of(Path file) {
        try {
            return new ValuesTable(explanations(file), Chart.YAML.readTree(file.toFile()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Collection<String> keys() {
        return explanations.keySet();
    }

    /** The text with what stands between the marks replaced by the table. */
    String into(String readme) {
        int begin = readme.indexOf(BEGIN);
        int end = readme.indexOf(END);
        if (begin < 0 || end < begin) {
            throw new IllegalArgumentException("README.md needs the lines " + BEGIN + " and " + END);
        }
        return readme.substring(0, begin) + BEGIN + "\n" + markdown() + readme.substring(end);
    }

    private String markdown() {
        var table = new StringBuilder("| value | default | meaning |\n| --- | --- | --- |\n");
        explanations.forEach((key, text) ->
                table.append("| `%s` | `%s` | %s |\n".formatted(key, shown(key), text.replace("|", "\\|"))));
        return table.toString();
    }

    private String shown(String key) {
        try {
            return new ObjectMapper().writeValueAsString(values.at("/" + key.replace('.', '/')));
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Map<String, String> explanations(Path file) throws IOException {
        var found = new LinkedHashMap<String, String>();
        var parents = new ArrayDeque<String>();
        var text = new ArrayList<String>();
        for (var line : Files.readAllLines(file)) {
            var comment = line.strip();
            if (comment.startsWith("# -- ")) {
                text.clear();
                text.add(comment.substring(5));
            } else if (comment.startsWith("# ") && !text.isEmpty()) {
                text.add(comment.substring(2));
            } else {
                var key = KEY.matcher(line);
                if (key.matches()) {
                    while (parents.size() > key.group(1).length() / 2) {
                        parents.removeLast();
                    }
                    parents.addLast(key.group(2));
                    if (!text.isEmpty()) {
                        found.put(String.join(".", parents), String.join(" ", text));
                    }
                }
                text.clear();
            }
        }
        return found;
    }
}
