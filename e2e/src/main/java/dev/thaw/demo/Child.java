package dev.thaw.demo;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A process of one's own, in a session of its own: what is typed at the terminal reaches the parent alone, which then
 * ends its children in the right order.
 */
public final class Child implements AutoCloseable {
    private static final long PATIENCE_SECONDS = 15;
    private static final int SHOWN_LINES = 15;

    private final String name;
    private final Process process;
    private final Path log;

    private Child(String name, Process process, Path log) {
        this.name = name;
        this.process = process;
        this.log = log;
    }

    /** Starts a program that writes everything into a log. */
    public static Child start(String name, List<String> command, Map<String, String> environment, Path log)
            throws IOException {
        var builder = new ProcessBuilder(ownSession(command))
                .redirectInput(Redirect.from(Path.of("/dev/null").toFile()))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.environment().putAll(environment);
        return new Child(name, builder.start(), log);
    }

    /** Starts a class of this program, on the same class path. */
    static Child java(String name, String mainClass, List<String> arguments, Map<String, String> environment, Path log)
            throws IOException {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-XX:+UseSerialGC",
                "-Dlogback.configurationFile=dev/thaw/demo/logback.xml",
                "-cp",
                System.getProperty("java.class.path"),
                mainClass));
        command.addAll(arguments);
        return start(name, command, environment, log);
    }

    /**
     * Runs a short command. Returns what it said.
     *
     * @throws IOException if it fails
     */
    public static String run(List<String> command) throws IOException {
        var process = new ProcessBuilder(ownSession(command))
                .redirectInput(Redirect.from(Path.of("/dev/null").toFile()))
                .redirectErrorStream(true)
                .start();
        var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        int status = process.onExit().join().exitValue();
        if (status != 0) {
            throw new IOException("%s ended with %d: %s".formatted(String.join(" ", command), status, said));
        }
        return said;
    }

    private static List<String> ownSession(List<String> command) {
        var all = new ArrayList<>(List.of("setsid"));
        all.addAll(command);
        return all;
    }

    int await() throws InterruptedException {
        return process.waitFor();
    }

    public long processId() {
        return process.pid();
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    Path log() {
        return log;
    }

    /** Waits until a file appears that says that the program is ready. */
    public void awaitFile(Path file) throws IOException, InterruptedException {
        for (long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(2); !Files.exists(file); Thread.sleep(20)) {
            if (!isAlive() || System.nanoTime() > end) {
                throw new IOException(name + " does not start:\n" + tail());
            }
        }
    }

    /** The last lines of its log. */
    public String tail() throws IOException {
        var lines = Files.readAllLines(log);
        return String.join("\n", lines.subList(Math.max(0, lines.size() - SHOWN_LINES), lines.size()));
    }

    @Override
    public void close() {
        end(process);
    }

    /** Asks a process to end; if it does not, ends it and whatever it started. */
    static void end(Process process) {
        var started = process.descendants().toList();
        process.destroy();
        try {
            if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
        started.forEach(ProcessHandle::destroyForcibly);
        for (var left : started) {
            left.onExit()
                    .orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS)
                    .exceptionally(_ -> left)
                    .join();
        }
    }
}
