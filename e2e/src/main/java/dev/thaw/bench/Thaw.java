package dev.thaw.bench;

import dev.thaw.demo.Child;
import dev.thaw.demo.ThawProgram;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Thaw without Kubernetes: the images are named in the agent's configuration. What first starts read is learned in a folder;
 * nodes get that of another node only where learning is what is measured.
 */
final class Thaw implements Contender {
    private final String name;
    private final String mode;
    private final boolean learned;

    private Thaw(String name, String mode, boolean learned) {
        this.name = name;
        this.mode = mode;
        this.learned = learned;
    }

    /**
     * On a node that knows nothing of the image.
     *
     * @param mode of the converter
     */
    static Thaw converted(String mode) {
        return new Thaw("Thaw " + mode, mode, false);
    }

    /** On a node that has been told what a start on another one read. */
    static Thaw learned() {
        return new Thaw("Thaw learned", "Convert", true);
    }

    @Override
    public String name() {
        return name;
    }

    private Reference tagged(Reference image) {
        return image.withTag("thaw-" + mode.toLowerCase(Locale.ROOT));
    }

    @Override
    public Optional<String> missing(Programs programs) {
        return Optional.empty();
    }

    @Override
    public void publish(String image, Registry registry, Programs programs, Path work)
            throws IOException, InterruptedException {
        var source = Registry.direct(image);
        if (registry.has(tagged(source))) {
            return;
        }
        var command = java("dev.thaw.converter.Main");
        command.addAll(List.of(
                "convert",
                "--source",
                source.toString(),
                "--target",
                tagged(source).toString()));
        command.addAll(
                List.of("--mode", mode, "--plain-http", "127.0.0.1:" + Registry.PORT, "--work", work.toString()));
        Child.run(command);
    }

    /** A program of Thaw's that runs once. */
    private static List<String> java(String mainClass) {
        return new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                mainClass));
    }

    @Override
    public String reference(String image) {
        return tagged(Registry.linked(image)).toString();
    }

    @Override
    public Optional<Snapshotter> snapshotter(Workload workload, Path kept) {
        var traces = learned ? "traces: " + traces(workload, kept) : "";
        return Optional.of(new Agent(reference(workload.image()), traces));
    }

    private static Path traces(Workload workload, Path kept) {
        return kept.resolve("traces").resolve(workload.name());
    }

    @Override
    public boolean wantsRehearsal(Workload workload, Path kept) {
        var known = traces(workload, kept).toFile().list((folder, file) -> file.endsWith(".pb"));
        return learned && (known == null || known.length == 0);
    }

    private record Agent(String image, String traces) implements Snapshotter {
        private static final Duration WARM_UP_LIMIT = Duration.ofMinutes(1);

        @Override
        public String name() {
            return "thaw";
        }

        @Override
        public List<Child> start(Programs programs, Path folder, Path socket, Path containerd)
                throws IOException, InterruptedException {
            var holderSocket = folder.resolve("holder.sock");
            var settings = folder.resolve("agent.yaml");
            Files.writeString(settings, """
                    root: %s
                    socket: %s
                    holder: %s
                    http: {address: 127.0.0.1, port: 9464}
                    containerd: {socket: %s}
                    registries: [{host: "127.0.0.1:%d", plainHttp: true}]
                    images: ["%s"]
                    %s
                    """.formatted(
                    folder.resolve("root"), socket, holderSocket, containerd, Registry.LINKED_PORT, image, traces));
            var program = ThawProgram.agent();
            var holder = start(folder, "holder", program.holder(holderSocket));
            holder.awaitFile(holderSocket);
            var agent = start(folder, "agent", program.command("serve", "--config", settings.toString()));
            agent.awaitFile(socket);
            awaitWarmth(agent, folder.resolve("agent.log"));
            return List.of(agent, holder);
        }

        /** As on a node, where the agent has run for longer than a few seconds when an image comes. */
        private static void awaitWarmth(Child agent, Path log) throws IOException, InterruptedException {
            for (long end = System.nanoTime() + WARM_UP_LIMIT.toNanos();
                    System.nanoTime() < end && agent.isAlive();
                    Thread.sleep(20)) {
                if (Files.readString(log).contains("warmed up")) {
                    return;
                }
            }
            throw new IOException("the agent does not warm up:\n" + agent.tail());
        }

        private static Child start(Path folder, String name, List<String> command) throws IOException {
            return Child.start("thaw's " + name, command, Map.of(), folder.resolve(name + ".log"));
        }
    }
}
