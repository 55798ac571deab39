package dev.thaw.helm;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.marcnuri.helm.Helm;
import com.marcnuri.helm.LintResult;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The chart in its folder. */
final class Chart {
    static final Path FOLDER = Path.of("thaw").toAbsolutePath();
    static final ObjectMapper YAML = new ObjectMapper(new YAMLFactory());
    static final String NAMESPACE = "thaw-system";
    /** The oldest Kubernetes that the chart is made for. */
    static final String OLDEST = "1.28.0";

    private Chart() {}

    static LintResult lint() {
        return new Helm(FOLDER).lint().strict().call();
    }

    /** What {@code helm install thaw ./helm/thaw -n thaw-system} sends, with these values, as YAML, beside the defaults. */
    static Manifests render(String values) {
        try {
            var file = Files.createTempFile("values", ".yaml");
            try {
                Files.writeString(file, values);
                var text = new Helm(FOLDER)
                        .template()
                        .withName("thaw")
                        .withNamespace(NAMESPACE)
                        .withKubeVersion(OLDEST)
                        .withValuesFile(file)
                        .call();
                return new Manifests(parse(text), text);
            } finally {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Manifests render() {
        return render("{}");
    }

    static JsonNode read(String file) {
        try {
            return YAML.readTree(FOLDER.resolve(file).toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<JsonNode> parse(String text) throws IOException {
        var objects = new ArrayList<JsonNode>();
        try (var values = YAML.readerFor(JsonNode.class).<JsonNode>readValues(text)) {
            while (values.hasNext()) {
                var object = values.next();
                if (object != null && !object.isNull() && !object.isEmpty()) {
                    objects.add(object);
                }
            }
        }
        return objects;
    }
}
