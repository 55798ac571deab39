package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.converter.report.StopSignal;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RehearseCommandTest {
    @TempDir
    Path folder;

    @Test
    void convertsChecksAndShowsAndLeavesNothingBehind() {
        assertThat(rehearse(folder)).isEqualTo("0: ");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void saysWhyItFailed() {
        assertThat(rehearse(folder.resolve("missing"))).startsWith("1: ").contains("missing");
    }

    private static String rehearse(Path folder) {
        var said = new ByteArrayOutputStream();
        var stream = new PrintStream(said, true, StandardCharsets.UTF_8);
        int exitCode =
                Main.commandLine(new StopSignal(), stream, stream).execute("rehearse", "--folder", folder.toString());
        return exitCode + ": " + said.toString(StandardCharsets.UTF_8);
    }
}
