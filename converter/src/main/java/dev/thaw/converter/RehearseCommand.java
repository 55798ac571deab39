package dev.thaw.converter;

import dev.thaw.converter.rehearsal.Stage;
import dev.thaw.converter.report.StopSignal;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code thaw-converter rehearse}: converts, checks and shows small images of a registry of its own. The JVM that runs it remembers
 * which classes that took and how often what was called ({@code -XX:AOTCacheOutput}), and converters that are given what it
 * remembers start with it.
 */
@Command(name = "rehearse", hidden = true, description = "Converts made-up images, for the JVM to remember how.")
final class RehearseCommand implements Callable<Integer> {
    @Option(
            names = "--folder",
            paramLabel = "DIR",
            description =
                    "An existing directory for what is made meanwhile. Default: the system's temporary directory.")
    private Path folder = Path.of(System.getProperty("java.io.tmpdir"));

    @Override
    public Integer call() throws IOException {
        var work = Files.createTempDirectory(folder, "rehearsal-");
        try (var stage = new Stage(work)) {
            var first = stage.first();
            var second = stage.second();
            for (var arguments : List.of(
                    List.of("convert", "--source", first, "--mode", "Convert", "--target", first.withTag("a")),
                    List.of("convert", "--source", first, "--mode", "Index", "--target", first.withTag("b")),
                    List.of(
                            "convert",
                            "--source",
                            second,
                            "--chunk-dict",
                            first.withTag("a"),
                            "--verify",
                            "Off",
                            "--target",
                            second.withTag("c")),
                    List.of("check", first.withTag("a")),
                    List.of("inspect", first.withTag("b")))) {
                run(arguments.stream().map(Object::toString).toList(), stage.authority(), work);
            }
        } finally {
            delete(work);
        }
        return CommandLine.ExitCode.OK;
    }

    private static void run(List<String> command, Path authority, Path work) throws IOException {
        var arguments = new ArrayList<>(command);
        arguments.addAll(List.of("--ca", authority.toString()));
        if (command.getFirst().equals("convert")) {
            arguments.addAll(List.of("--work", work.toString()));
        }
        var said = new ByteArrayOutputStream();
        var stream = new PrintStream(said, true, StandardCharsets.UTF_8);
        int exitCode = Main.commandLine(new StopSignal(), stream, stream).execute(arguments.toArray(String[]::new));
        if (exitCode != CommandLine.ExitCode.OK) {
            throw new IOException("the rehearsal failed: thaw-converter %s ended with %d: %s"
                    .formatted(String.join(" ", arguments), exitCode, said.toString(StandardCharsets.UTF_8)));
        }
    }

    private static void delete(Path folder) throws IOException {
        try (var paths = Files.walk(folder)) {
            for (var path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
