package dev.thaw.demo;

import dev.thaw.oci.Reference;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** A containerd of the demo's own: programs of this machine, but root, state, socket and configuration in its folder. */
final class ContainerdRuntime implements ContainerRuntime, AutoCloseable {
    private static final List<String> PROGRAMS = List.of("containerd", "containerd-shim-runc-v2", "ctr", "runc");

    private final Path binaries;
    private final Path socket;
    private final Child daemon;
    private final List<Process> running = new ArrayList<>();
    private final List<String> containers = new ArrayList<>();

    private ContainerdRuntime(Path binaries, Path socket, Child daemon) {
        this.binaries = binaries;
        this.socket = socket;
        this.daemon = daemon;
    }

    /** The folder with all programs that it takes, if there is one. */
    static Optional<Path> binaries() {
        var places = Stream.concat(
                Stream.ofNullable(System.getenv("THAW_CONTAINERD_BIN")),
                Stream.of(System.getenv().getOrDefault("PATH", "").split(":", -1)));
        return places.filter(place -> !place.isEmpty())
                .map(Path::of)
                .filter(place -> PROGRAMS.stream().allMatch(program -> Files.isExecutable(place.resolve(program))))
                .findFirst();
    }

    /**
     * Starts the daemon.
     *
     * @param socket where it is to listen
     * @param agentSocket of the snapshotter
     */
    static ContainerdRuntime start(Path binaries, Path socket, Path agentSocket, Workplace place)
            throws IOException, InterruptedException {
        var folder = place.folder("containerd");
        var settings = folder.resolve("config.toml");
        Files.writeString(settings, """
                version = 2
                root = "%1$s/root"
                state = "%1$s/state"
                disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images",
                    "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
                [grpc]
                  address = "%2$s"
                [proxy_plugins.thaw]
                  type = "snapshot"
                  address = "%3$s"
                [plugins."io.containerd.internal.v1.opt"]
                  path = "%1$s/opt"
                [[plugins."io.containerd.transfer.v1.local".unpack_config]]
                  platform = "linux"
                  snapshotter = "thaw"
                """.formatted(folder, socket, agentSocket));
        var path = binaries + ":" + System.getenv().getOrDefault("PATH", "");
        var daemon = Child.start(
                "containerd",
                List.of(binaries.resolve("containerd").toString(), "--config", settings.toString()),
                Map.of("PATH", path),
                place.path("containerd.log"));
        try {
            daemon.awaitFile(socket);
            return new ContainerdRuntime(binaries, socket, daemon);
        } catch (IOException | InterruptedException e) {
            daemon.close();
            throw e;
        }
    }

    @Override
    public String description() {
        return "a containerd of its own, with the agent as its snapshotter";
    }

    @Override
    public Start start(Reference image, Pod pod, Timeline timeline) throws Exception {
        var began = Instant.now();
        Child.run(ctr("images", "pull", "--plain-http", "--snapshotter", "thaw", image.toString()));
        timeline.say("pulled by containerd");
        var id = pod.getMetadata().getName() + "-main";
        var options = new ArrayList<>(List.of("run", "--rm", "--snapshotter", "thaw"));
        ContainerRuntime.labels(pod).forEach((key, value) -> options.addAll(List.of("--label", key + "=" + value)));
        options.addAll(List.of(image.toString(), id));
        var builder = new ProcessBuilder(ctr(options.toArray(String[]::new)))
                .redirectInput(Redirect.from(Path.of("/dev/null").toFile()))
                .redirectErrorStream(true);
        builder.environment().put("PATH", binaries + ":" + System.getenv().getOrDefault("PATH", ""));
        FirstLine output;
        synchronized (this) {
            var process = builder.start();
            running.add(process);
            containers.add(id);
            output = new FirstLine(process);
        }
        var line = output.await(PATIENCE_SECONDS);
        return new Start(began, Optional.empty(), 0, line.at(), line.text());
    }

    private List<String> ctr(String... arguments) {
        var command = new ArrayList<>(List.of(binaries.resolve("ctr").toString(), "--address", socket.toString()));
        command.addAll(List.of(arguments));
        return command;
    }

    /** Containers first, then the images, so that the agent gives up what it has mounted; then the daemon. */
    @Override
    public synchronized void close() {
        try {
            for (var id : containers) {
                attempt("tasks", "kill", "--signal", "SIGKILL", id);
            }
            for (var process : running) {
                Child.end(process);
            }
            for (var id : containers) {
                attempt("tasks", "delete", "--force", id);
                attempt("containers", "delete", id);
            }
            removeImages();
        } finally {
            daemon.close();
        }
    }

    private void removeImages() {
        try {
            for (var name : Child.run(ctr("images", "list", "--quiet")).lines().toList()) {
                attempt("images", "rm", "--sync", name);
            }
        } catch (IOException e) {
            System.err.println("demo: the private containerd does not answer any more: " + e.getMessage());
        }
    }

    /** What is gone already cannot be taken away. */
    private void attempt(String... arguments) {
        try {
            Child.run(ctr(arguments));
        } catch (IOException e) {
            if (!String.valueOf(e.getMessage()).contains("not found")) {
                System.err.println("demo: " + e.getMessage());
            }
        }
    }
}
