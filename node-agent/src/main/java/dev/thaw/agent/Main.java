package dev.thaw.agent;

import dev.thaw.agent.config.AgentSettings;
import dev.thaw.agent.install.ContainerdInstaller;
import dev.thaw.agent.install.ContainerdRestart;
import dev.thaw.agent.linux.LocalSocket;
import dev.thaw.agent.mount.Holder;
import dev.thaw.agent.mount.MountDriver;
import dev.thaw.agent.mount.NoMounts;
import dev.thaw.agent.rehearsal.Rehearsal;
import dev.thaw.agent.rehearsal.Stage;
import dev.thaw.oci.Digest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The program on each node. Exit codes: 0 well, 1 failed, 2 called wrongly. */
@Command(
        name = "thaw-agent",
        mixinStandardHelpOptions = true,
        version = "thaw-agent 0.1.0",
        description = "Starts containers before their images are downloaded: containerd's snapshotter for lazy images.",
        subcommands = {
            Main.Serve.class,
            Main.Install.class,
            Main.Uninstall.class,
            Main.Hold.class,
            Main.Wait.class,
            Main.Rehearse.class
        })
public final class Main implements Runnable {
    private static final Logger log = LoggerFactory.getLogger(Main.class);
    private static final String CONFIG = "--config";
    private static final String SOCKET = "--socket";
    /** So much is hashed until the JVM hashes as fast as it can. */
    private static final int COMPILED_AFTER_BYTES = 256 << 10;

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    public static void main(String[] args) {
        System.exit(run(args));
    }

    static int run(String... args) {
        var usual = usual(List.of(args));
        if (usual.isPresent()) {
            try {
                return usual.get().call();
            } catch (Exception e) {
                log.error("{}", e.getMessage(), e);
                return 1;
            }
        }
        return new CommandLine(new Main())
                .setExecutionExceptionHandler((e, command, result) -> {
                    log.error("{}", e.getMessage(), e);
                    return 1;
                })
                .execute(args);
    }

    /**
     * What every node runs, as its DaemonSets spell it, is found without the parser of command lines: that would take a quarter of
     * the time in which an agent is to serve.
     */
    private static Optional<Callable<Integer>> usual(List<String> args) {
        if (args.size() != 3) {
            return Optional.empty();
        }
        var path = Path.of(args.get(2));
        return switch (args.get(0) + " " + args.get(1)) {
            case "serve " + CONFIG -> Optional.of(() -> serveSoon(path));
            case "hold " + SOCKET -> Optional.of(() -> hold(path));
            default -> Optional.empty();
        };
    }

    /** Readers of containers that run may be waiting: what takes long to load does so while the configuration is read. */
    private static int serveSoon(Path configuration) throws AgentException, IOException, InterruptedException {
        Thread.ofPlatform().daemon().name("loader").start(Main::load);
        return serve(AgentSettings.load(configuration));
    }

    private static void load() {
        LocalSocket.load();
        // Chunks that an earlier life left are compared with their digests before anybody reads them.
        Digest.sha256(new byte[COMPILED_AFTER_BYTES]);
    }

    private static int serve(AgentSettings settings) throws AgentException, IOException, InterruptedException {
        var agent = Agent.start(settings);
        var end = new CountDownLatch(1);
        var ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            end.countDown();
            await(ended);
        }));
        try (var warmUp = WarmUp.start(settings.root().resolve("warm-up"), agent.tookOver())) {
            log.debug("{} runs aside", warmUp);
            end.await();
        }
        agent.close();
        ended.countDown();
        return 0;
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static int hold(Path socket) throws IOException {
        try (var holder = Holder.listen(socket)) {
            holder.run();
        }
        return 0;
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "Say what to do: serve, install, uninstall, hold, wait or rehearse.");
    }

    /** The configuration file that most commands take. */
    private static final class Configuration {
        private static final Path USUAL = Path.of("/etc/thaw/agent.yaml");

        @Option(
                names = CONFIG,
                paramLabel = "FILE",
                description = "Configuration file; default: /etc/thaw/agent.yaml where it exists, else the defaults.")
        private @Nullable Path file;

        AgentSettings load() throws IOException {
            if (file != null) {
                return AgentSettings.load(file);
            }
            return Files.exists(USUAL) ? AgentSettings.load(USUAL) : AgentSettings.defaults();
        }
    }

    @Command(
            name = "serve",
            description = "Serves lazy images to the containerd of this node, until it is told to end.")
    static final class Serve implements Callable<Integer> {
        @CommandLine.Mixin
        private final Configuration configuration = new Configuration();

        @Override
        public Integer call() throws Exception {
            return serve(configuration.load());
        }
    }

    @Command(
            name = "install",
            description =
                    "Tells containerd of the snapshotter and of the lazy runtime handlers, and restarts it if its configuration changed.")
    static final class Install implements Callable<Integer> {
        @CommandLine.Mixin
        private final Configuration configuration = new Configuration();

        @Override
        public Integer call() throws Exception {
            var settings = configuration.load();
            if (new ContainerdInstaller(settings).install()) {
                new ContainerdRestart(settings.containerd()).restart();
            }
            return 0;
        }
    }

    @Command(
            name = "uninstall",
            description =
                    "Gives containerd its configuration back, byte for byte, restarts it if that changed it, and clears the agent's folder of what nothing needs any more.")
    static final class Uninstall implements Callable<Integer> {
        @CommandLine.Mixin
        private final Configuration configuration = new Configuration();

        @Override
        public Integer call() throws Exception {
            var settings = configuration.load();
            if (new ContainerdInstaller(settings).uninstall()) {
                new ContainerdRestart(settings.containerd()).restart();
            }
            new Leftovers(settings).clear();
            return 0;
        }
    }

    @Command(
            name = "hold",
            description =
                    "Keeps the descriptors of mounts while the agent restarts, so that running containers notice nothing. Does nothing else.")
    static final class Hold implements Callable<Integer> {
        @Option(
                names = SOCKET,
                paramLabel = "SOCKET",
                defaultValue = "/run/thaw/holder.sock",
                description = "Where the agent finds it; default: ${DEFAULT-VALUE}.")
        private Path socket = Path.of("/run/thaw/holder.sock");

        @Override
        public Integer call() throws Exception {
            return hold(socket);
        }
    }

    @Command(
            name = "wait",
            description =
                    "Does nothing until it is told to end: the main container of a pod whose work is done by an init container.")
    static final class Wait implements Callable<Integer> {
        @Override
        public Integer call() throws InterruptedException {
            new CountDownLatch(1).await();
            return 0;
        }
    }

    @Command(
            name = "rehearse",
            description =
                    "Does once what an agent does on a node, with a registry, an operator and a containerd that are only"
                            + " played, so that a JVM with -XX:AOTCacheOutput remembers what later starts need.")
    static final class Rehearse implements Callable<Integer> {
        @Option(
                names = "--folder",
                paramLabel = "FOLDER",
                description =
                        "Where a folder for it is made, and removed afterwards; default: the folder for temporary files.")
        private Path parent = Path.of(System.getProperty("java.io.tmpdir"));

        @Override
        public Integer call() throws Exception {
            try (var stage = Stage.below(parent)) {
                new Rehearsal(stage.folder(), Rehearse::start).run();
            }
            return 0;
        }

        /** Where nothing can be mounted, as where images are built, all but that is rehearsed. */
        private static Agent start(AgentSettings settings) throws AgentException, IOException {
            return Agent.start(settings, metrics -> {
                try {
                    return MountDriver.choose(settings.driver(), settings.root(), settings.holder(), metrics);
                } catch (AgentException e) {
                    log.info("rehearses without mounts: {}", e.getMessage());
                    return new NoMounts(settings.root(), "nothing can be mounted here");
                }
            });
        }
    }
}
