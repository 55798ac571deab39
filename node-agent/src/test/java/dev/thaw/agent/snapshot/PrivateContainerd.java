package dev.thaw.agent.snapshot;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A containerd of the test's own: root, state, socket and configuration under one directory. */
public final class PrivateContainerd implements AutoCloseable {
    private static final Duration COMMAND_LIMIT = Duration.ofMinutes(1);

    private final Path binaries;
    private final Path directory;
    private Optional<Process> daemon = Optional.empty();

    /** @param snapshotter socket of the proxy plugin "thaw" */
    public PrivateContainerd(Path binaries, Path directory, Path snapshotter) throws IOException {
        this.binaries = binaries;
        this.directory = directory;
        Files.createDirectories(directory);
        Files.writeString(directory.resolve("config.toml"), """
                version = 2
                root = "%1$s/root"
                state = "%1$s/state"
                disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images",
                    "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
                [grpc]
                  address = "%1$s/containerd.sock"
                [proxy_plugins.thaw]
                  type = "snapshot"
                  address = "%2$s"
                [[plugins."io.containerd.transfer.v1.local".unpack_config]]
                  platform = "linux"
                  snapshotter = "thaw"
                """.formatted(directory, snapshotter));
    }

    /** Where the programs are that such a test needs; empty, with the reason on the way, if they are not all there. */
    public static Optional<Path> binaries() {
        var places = new ArrayList<Path>();
        Optional.ofNullable(System.getenv("THAW_TEST_CONTAINERD_BIN"))
                .map(Path::of)
                .ifPresent(places::add);
        places.add(Path.of(System.getProperty("user.home"), ".cache", "k8s-node", "bin"));
        Stream.of(System.getenv().getOrDefault("PATH", "").split(":", -1))
                .filter(place -> !place.isEmpty())
                .map(Path::of)
                .forEach(places::add);
        return places.stream()
                .filter(place -> Stream.of("containerd", "containerd-shim-runc-v2", "ctr", "runc", "busybox")
                        .allMatch(program -> Files.isExecutable(place.resolve(program))))
                .findFirst();
    }

    public Path socket() {
        return directory.resolve("containerd.sock");
    }

    public void start() throws IOException, InterruptedException {
        var process = new ProcessBuilder(
                        binaries.resolve("containerd").toString(),
                        "--config",
                        directory.resolve("config.toml").toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()));
        process.environment().put("PATH", binaries + ":" + System.getenv().getOrDefault("PATH", ""));
        daemon = Optional.of(process.start());
        long end = System.nanoTime() + COMMAND_LIMIT.toNanos();
        while (run("version").status() != 0) {
            if (System.nanoTime() > end || !daemon.get().isAlive()) {
                throw new IOException("containerd does not start:\n" + Files.readString(log()));
            }
            Thread.sleep(100);
        }
    }

    private Path log() {
        return directory.resolve("containerd.log");
    }

    /** Ends the daemon as a power failure would. */
    public void kill() throws InterruptedException {
        var process = daemon.orElseThrow();
        process.destroyForcibly();
        process.waitFor();
    }

    /** How a command ended. */
    public record Output(int status, String text) {}

    /** Runs ctr and returns what it said; a failure fails the test with what it and the daemon said. */
    public String ctr(String... arguments) throws IOException, InterruptedException {
        var output = run(arguments);
        if (output.status() != 0) {
            throw new AssertionError("ctr " + String.join(" ", arguments) + " ended with " + output.status() + ":\n"
                    + output.text() + "\n" + Files.readString(log()));
        }
        return output.text();
    }

    public Output run(String... arguments) throws IOException, InterruptedException {
        var command = new ArrayList<>(List.of(binaries.resolve("ctr").toString(), "--address", socket().toString()));
        command.addAll(List.of(arguments));
        var said = Files.createTempFile(directory, "ctr", ".out");
        var process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(said.toFile())
                .start();
        if (!process.waitFor(COMMAND_LIMIT.toSeconds(), TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError("ctr " + String.join(" ", arguments) + " does not end:\n"
                    + Files.readString(said, StandardCharsets.UTF_8) + "\n" + Files.readString(log()));
        }
        return new Output(process.exitValue(), Files.readString(said, StandardCharsets.UTF_8));
    }

    @Override
    public void close() throws InterruptedException {
        if (daemon.isPresent()) {
            daemon.get().destroy();
            if (!daemon.get().waitFor(20, TimeUnit.SECONDS)) {
                daemon.get().destroyForcibly().waitFor();
            }
        }
    }
}
