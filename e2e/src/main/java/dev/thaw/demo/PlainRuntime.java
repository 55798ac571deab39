package dev.thaw.demo;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.agent.containerd.containers.Container;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** A machine without containerd: the demo asks the agent for the root, as containerd would, and starts the process. */
final class PlainRuntime implements ContainerRuntime {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int MOST_CONFIG_BYTES = 4 << 20;
    private static final String NAMESPACE = "default";

    /** $0 is the root; the devices are this machine's, in the container's own view of the mounts. */
    private static final String ENTER = """
            root=$0 directory=$1 unshare=$2
            shift 2
            "$1" --rbind /dev "$root/dev" && shift &&
            exec "$unshare" --pid --fork --kill-child --mount-proc --root="$root" --wd="$directory" -- "$@"
            """;

    private final Path agentSocket;
    private final StandInContainerd containerd;
    private final RegistryClient registry;
    private final LongSupplier sentBytes;
    private final Workplace place;
    private final Cleanup cleanup;

    /** @param sentBytes what the registry has sent so far */
    PlainRuntime(
            Path agentSocket,
            StandInContainerd containerd,
            RegistryClient registry,
            LongSupplier sentBytes,
            Workplace place,
            Cleanup cleanup) {
        this.agentSocket = agentSocket;
        this.containerd = containerd;
        this.registry = registry;
        this.sentBytes = sentBytes;
        this.place = place;
        this.cleanup = cleanup;
    }

    @Override
    public String description() {
        return "no containerd here: the demo calls the snapshotter itself, and starts the process with unshare and chroot";
    }

    @Override
    public Start start(Reference image, Pod pod, Timeline timeline) throws Exception {
        var snapshotter = cleanup.keep(() -> new Snapshotter(agentSocket));
        var began = Instant.now();
        long sentBefore = sentBytes.getAsLong();
        var manifest = manifest(image);
        var config = JSON.readTree(registry.blobBytes(image, manifest.config(), MOST_CONFIG_BYTES));

        var top = "";
        for (int i = 0; i < manifest.layers().size(); i++) {
            var diffId = config.path("rootfs").path("diff_ids").path(i).asText();
            var chainId = top.isEmpty() ? diffId : chainId(top, diffId);
            snapshotter.offer(chainId, top, manifest.layers().get(i).annotations(), i + 1);
            top = chainId;
        }
        timeline.say(
                "pulled: %d layers, of which none was downloaded",
                manifest.layers().size());

        var id = pod.getMetadata().getName() + "-main";
        var root = mount(
                snapshotter, "%s/%d/%s".formatted(NAMESPACE, manifest.layers().size() + 1, id), top);
        timeline.say("root mounted: %s", root);

        var process = cleanup.keep(() -> new Contained(config.path("config"), root));
        var output = new FirstLine(process.process);
        var executed = process.awaitExecution();
        long fetched = sentBytes.getAsLong() - sentBefore;
        executed.ifPresent(at -> containerd.started(
                NAMESPACE,
                Container.newBuilder()
                        .setId(id)
                        .setSnapshotKey(id)
                        .putAllLabels(ContainerRuntime.labels(pod))
                        .build(),
                process.process.pid(),
                at));
        var line = output.await(PATIENCE_SECONDS);
        return new Start(began, executed, fetched, line.at(), line.text());
    }

    private ImageManifest manifest(Reference image) throws IOException {
        return switch (registry.manifest(image)) {
            case ImageManifest manifest -> manifest;
            case ImageIndex index ->
                (ImageManifest) registry.manifest(image.withDigest(index.manifestFor(LocalPlatform.get())
                        .orElseThrow(() -> new IOException(image + " has nothing for " + LocalPlatform.get()))
                        .digest()));
        };
    }

    /** See "Layer ChainID" in the OCI image specification. */
    private static String chainId(String below, String diffId) {
        return Digest.sha256((below + " " + diffId).getBytes(StandardCharsets.US_ASCII))
                .toString();
    }

    private Path mount(Snapshotter snapshotter, String key, String parent) throws Exception {
        var root = place.folder("root");
        for (var mount : snapshotter.root(key, parent)) {
            var command = new ArrayList<>(List.of("mount", "-o", String.join(",", mount.getOptionsList())));
            if (!mount.getType().equals("bind")) {
                command.addAll(List.of("-t", mount.getType()));
            }
            command.addAll(List.of(mount.getSource(), root.toString()));
            cleanup.<AutoCloseable>keep(() -> {
                Child.run(command);
                return () -> Child.run(List.of("umount", root.toString()));
            });
        }
        for (var needed : List.of("dev", "proc")) {
            Files.createDirectories(root.resolve(needed));
        }
        return root;
    }

    /** A process whose root, mounts and process ids are its own. */
    private static final class Contained implements AutoCloseable {
        private static final String USUAL_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

        private final Process process;

        Contained(JsonNode config, Path root) throws IOException {
            var directory = config.path("WorkingDir").asText("");
            var command = new ArrayList<>(List.of(
                    "setsid",
                    program("unshare"),
                    "--mount",
                    "/bin/sh",
                    "-c",
                    ENTER,
                    root.toString(),
                    directory.isEmpty() ? "/" : directory,
                    program("unshare"),
                    program("mount")));
            config.path("Entrypoint").forEach(word -> command.add(word.asText()));
            config.path("Cmd").forEach(word -> command.add(word.asText()));
            var builder = new ProcessBuilder(command)
                    .redirectInput(Path.of("/dev/null").toFile())
                    .redirectErrorStream(true);
            var environment = builder.environment();
            environment.clear();
            var variables = new ArrayList<>(List.of(USUAL_PATH));
            config.path("Env").forEach(variable -> variables.add(variable.asText()));
            for (var variable : variables) {
                var parts = variable.split("=", 2);
                environment.put(parts[0], parts.length == 1 ? "" : parts[1]);
            }
            process = builder.start();
        }

        /** The image's own PATH is for the image's programs. */
        private static String program(String name) throws IOException {
            for (var folder : System.getenv().getOrDefault("PATH", "").split(":", -1)) {
                if (!folder.isEmpty() && Files.isExecutable(Path.of(folder, name))) {
                    return folder + "/" + name;
                }
            }
            throw new IOException("the program " + name + " is missing on this machine");
        }

        /** Waits until the container's program has taken the place of the one that made its surroundings. */
        Optional<Instant> awaitExecution() throws InterruptedException {
            for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
                    process.isAlive() && System.nanoTime() < end;
                    Thread.sleep(1)) {
                if (process.descendants().anyMatch(Contained::isExecuted)) {
                    return Optional.of(Instant.now());
                }
            }
            return Optional.empty();
        }

        private static boolean isExecuted(ProcessHandle handle) {
            var about = Path.of("/proc", Long.toString(handle.pid()));
            try {
                boolean first = Files.readAllLines(about.resolve("status")).stream()
                        .anyMatch(line -> line.startsWith("NSpid:") && line.endsWith("\t1"));
                return first
                        && !Files.readSymbolicLink(about.resolve("exe"))
                                .getFileName()
                                .toString()
                                .equals("unshare");
            } catch (IOException e) {
                return false; // it has just ended
            }
        }

        @Override
        public void close() {
            Child.end(process);
        }
    }
}
