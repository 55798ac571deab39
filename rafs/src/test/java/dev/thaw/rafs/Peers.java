package dev.thaw.rafs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/**
 * The programs that others made for the same format. The Maven profile {@code peers} installs them and names their directory in
 * the property {@value #PROPERTY}; what is not there is looked for on the PATH.
 */
final class Peers {
    static final String PROPERTY = "thaw.peers";

    /** What a program said and how it ended. */
    record Finished(int exit, String output) {}

    private Peers() {}

    /** The program, or the end of the test with the reason. */
    static String require(String program) {
        var directories = Stream.concat(
                Stream.of(Path.of(System.getProperty(PROPERTY, "/nonexistent"), "bin")),
                Stream.of(System.getenv("PATH").split(":", -1)).map(Path::of));
        var found = directories
                .map(d -> d.resolve(program))
                .filter(Files::isExecutable)
                .findFirst();
        return found.map(Path::toString)
                .orElseGet(() -> Assumptions.abort(
                        program + " is not installed: ./mvnw -Ppeers -pl rafs -am verify installs and uses it"));
    }

    /** Runs a program to its end. */
    static Finished run(String program, List<String> arguments) {
        var command = new ArrayList<>(List.of(require(program)));
        command.addAll(arguments);
        try {
            var log = Files.createTempFile("peer", ".log");
            try {
                var process = new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
                if (!process.waitFor(5, TimeUnit.MINUTES)) {
                    process.destroyForcibly().waitFor();
                    throw new AssertionError(String.join(" ", command) + " does not end: " + Files.readString(log));
                }
                return new Finished(process.exitValue(), Files.readString(log));
            } finally {
                Files.delete(log);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(String.join(" ", command), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(String.join(" ", command), e);
        }
    }
}
