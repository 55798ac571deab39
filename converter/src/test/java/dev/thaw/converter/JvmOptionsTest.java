package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The files that the image gives its JVM: one mistake in them, and no converter starts. */
class JvmOptionsTest {
    @Test
    void aJvmTakesThem(@TempDir Path folder) throws Exception {
        var errors = Files.createTempFile(folder, "said", null);
        var process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "@" + file("jvm.options"),
                        "-XX:CompilerDirectivesFile=" + file("compiler.directives"),
                        "-version")
                .redirectError(errors.toFile())
                .start();
        try (var output = process.getInputStream()) {
            var printed = new String(output.readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
            var said = Files.readString(errors);
            assertThat(process.exitValue()).as(said).isZero();
            assertThat(said).contains("2 compiler directives added").doesNotContainIgnoringCase("warning");
            assertThat(printed).as("what belongs to the result").isEmpty();
        } finally {
            process.destroyForcibly();
        }
    }

    private static Path file(String name) throws Exception {
        return Path.of(Objects.requireNonNull(Main.class.getResource(name)).toURI());
    }
}
