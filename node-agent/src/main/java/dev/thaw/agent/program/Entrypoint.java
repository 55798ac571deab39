package dev.thaw.agent.program;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a container of an image runs unless its pod says otherwise, from the image's configuration (OCI image specification,
 * "config").
 *
 * @param program as it is named there, which may be without a folder
 * @param directory in which it starts
 * @param searched folders of the variable {@code PATH}
 * @param libraries folders of the variable {@code LD_LIBRARY_PATH}
 */
public record Entrypoint(Optional<String> program, String directory, List<String> searched, List<String> libraries) {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    /** Of runc, for an image that names none. */
    private static final String USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /** Reads an image configuration. */
    public static Entrypoint of(byte[] configuration) throws IOException {
        try {
            var config = JSON.readTree(configuration).path("config");
            var words = new ArrayList<String>();
            words.addAll(words(config.path("Entrypoint")));
            words.addAll(words(config.path("Cmd")));
            var directory = config.path("WorkingDir").asText("");
            return new Entrypoint(
                    words.stream().findFirst().filter(word -> !word.isEmpty()),
                    directory.isEmpty() ? "/" : directory,
                    folders(config, "PATH").orElse(List.of(USUAL_PATH.split(":", -1))),
                    folders(config, "LD_LIBRARY_PATH").orElse(List.of()));
        } catch (JacksonException e) {
            throw new IOException("the image's configuration is no JSON", e);
        }
    }

    private static List<String> words(JsonNode list) {
        return list.valueStream().map(JsonNode::asText).toList();
    }

    private static Optional<List<String>> folders(JsonNode config, String variable) {
        return words(config.path("Env")).stream()
                .filter(setting -> setting.startsWith(variable + "="))
                .map(setting -> setting.substring(variable.length() + 1))
                .map(value -> List.of(value.split(":", -1)))
                .findFirst();
    }
}
