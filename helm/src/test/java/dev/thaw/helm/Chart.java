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

    private static final String HOOK = "helm.sh/hook";
    private static final String DISARMED = "helm.sh/disarmed-hook";
    private static final Path COPY = copyWithoutHooks();

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
                var text = new Helm(COPY)
                        .template()
                        .withName("thaw")
                        .withNamespace(NAMESPACE)
                        .withKubeVersion(OLDEST)
                        .withValuesFile(file)
                        .call()
                        .replace(DISARMED, HOOK);
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

    /** Helm leaves hooks out of what it renders here: so what is rendered is a copy in which they are ordinary objects. */
    private static Path copyWithoutHooks() {
        try (var files = Files.walk(FOLDER)) {
            var copy = Files.createTempDirectory(Path.of("target"), "chart").toAbsolutePath();
            for (var file : files.filter(Files::isRegularFile).toList()) {
                var target = copy.resolve(FOLDER.relativize(file));
                Files.createDirectories(target.getParent());
                Files.writeString(target, Files.readString(file).replace(HOOK, DISARMED));
            }
            return copy;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
