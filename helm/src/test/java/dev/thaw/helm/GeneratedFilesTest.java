package dev.thaw.helm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Names;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of the chart that are made from something else are what they are made from. */
final class GeneratedFilesTest {
    private static final String COMMAND = "./mvnw -pl crds,helm verify -Dthaw.update=true";

    @ParameterizedTest
    @ValueSource(strings = {"lazyimages", "snapshotterconfigs"})
    void theChartHasTheDefinitionsOfTheModel(String plural) throws IOException {
        var resource = "/META-INF/fabric8/" + plural + "." + Names.GROUP + "-v1.yml";
        try (var in = Objects.requireNonNull(Names.class.getResourceAsStream(resource), resource)) {
            check(
                    Chart.FOLDER.resolve("files/crds/" + plural + ".yaml"),
                    new String(in.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    @Test
    void theReadmeHasTheTableOfValues() throws IOException {
        var readme = Chart.FOLDER.resolve("README.md");
        check(readme, ValuesTable.of(Chart.FOLDER.resolve("values.yaml")).into(Files.readString(readme)));
    }

    private static void check(Path file, String expected) throws IOException {
        if (Boolean.getBoolean("thaw.update")) {
            Files.writeString(file, expected);
        }
        assertThat(Files.exists(file) ? Files.readString(file) : "")
                .as("%s is not what it is made from: run %s", file.getFileName(), COMMAND)
                .isEqualTo(expected);
    }
}
