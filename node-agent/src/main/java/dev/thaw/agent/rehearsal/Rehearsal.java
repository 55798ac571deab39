package dev.thaw.agent.rehearsal;

import dev.thaw.agent.config.AgentSettings;
import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.Mounts;
import dev.thaw.agent.mount.HeldDescriptors;
import dev.thaw.agent.mount.Holder;
import dev.thaw.rafs.CorruptImageException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets an agent do everything once that the agents of nodes do: start, hear of images, be asked for their layers, fetch, check
 * and decode what a start reads, mount and be read, end, and take over what the one before it left. Nothing leaves the machine.
 *
 * <p>The JVM that runs it remembers which classes that took and how often what was called ({@code -XX:AOTCacheOutput}), and
 * agents that are given what it remembers start with it.
 */
public final class Rehearsal {
    private static final Logger LOG = LoggerFactory.getLogger(Rehearsal.class);

    private static final int HALF = PlayedImage.FILE_BYTES / 2;

    private final Path folder;
    private final Starter starter;
    private final List<PlayedImage> images;

    /** Starts an agent, which ends when it is closed. */
    @FunctionalInterface
    public interface Starter {
        AutoCloseable start(AgentSettings settings) throws Exception;
    }

    /**
     * @param folder which must be empty, on a file system that can hold an overlay's upper directory
     * @param starter starts an agent; on a machine that cannot mount, one that does all but that
     */
    public Rehearsal(Path folder, Starter starter) throws IOException, CorruptImageException {
        this.folder = folder;
        this.starter = starter;
        images = List.of(new PlayedImage(folder, false), new PlayedImage(folder, true));
    }

    /** Runs it. @throws IOException when the agent does not do as it should */
    public void run() throws Exception {
        var certificate = LoopbackCertificate.make();
        var socket = folder.resolve("containerd.sock");
        try (var registry = new PlayedRegistry(certificate);
                var operator = new PlayedOperator(certificate, registry.host(), images);
                var containerd = new PlayedContainerd(socket, folder.resolve("agent.sock"))) {
            registry.publish(images);
            int port = freePort();
            var settings = settings(certificate, registry, operator, socket, port);
            try {
                var mounted = new HashMap<PlayedImage, Path>();
                try (var agent = starter.start(settings)) {
                    LOG.info("plays with {}", agent);
                    containerd.runOrdinary();
                    for (var image : images) {
                        play(containerd, image).ifPresent(root -> mounted.put(image, root));
                    }
                    look(port);
                    hold();
                    try (var stage = Stage.at(folder.resolve("fetch"))) {
                        FetchRehearsal.run(stage.folder());
                    }
                }
                try (var successor = starter.start(settings)) {
                    LOG.info("goes on with {}", successor);
                    for (var image : images) {
                        var root = mounted.get(image);
                        if (root != null) {
                            read(root, HALF, PlayedImage.FILE_BYTES);
                        }
                        containerd.remove(image, root != null);
                    }
                }
            } finally {
                Mounts.detachAll(folder);
            }
        }
    }

    private static Optional<Path> play(PlayedContainerd containerd, PlayedImage image) throws IOException {
        if (!containerd.pull(image)) {
            throw new IOException("the agent did not claim the layers of image " + image.artifact());
        }
        var root = containerd.run(image);
        if (root.isPresent()) {
            read(root.get(), 0, HALF);
        }
        return root;
    }

    private static void read(Path root, int from, int to) throws IOException {
        try (var file = FileChannel.open(root.resolve(PlayedImage.FILE))) {
            var content = ByteBuffer.allocate(to - from);
            while (content.hasRemaining() && file.read(content, from + content.position()) > 0) {}
            if (!Arrays.equals(content.array(), Arrays.copyOfRange(PlayedImage.content(), from, to))) {
                throw new IOException("a file that was read through the agent has the wrong content");
            }
        }
    }

    private static void look(int port) throws IOException {
        for (var page : List.of("healthz", "readyz", "metrics")) {
            try (var in = URI.create("http://127.0.0.1:%d/%s".formatted(port, page))
                    .toURL()
                    .openStream()) {
                in.readAllBytes();
            }
        }
    }

    /**
     * Gives a descriptor away and takes it back, as the session of mounts is. Not that of these agents: they share a process, and
     * the one that has ended would go on reading from it.
     */
    private void hold() throws IOException {
        var path = folder.resolve("holder.sock");
        try (var holder = Holder.listen(path)) {
            Thread.ofPlatform().daemon().name("rehearsal-holder").start(() -> {
                try {
                    holder.run();
                } catch (IOException e) {
                    LOG.debug("the holder ended: {}", e.getMessage());
                }
            });
            int descriptor = Libc.open(path.resolveSibling("token"), Libc.O_RDONLY);
            try {
                var descriptors = new HeldDescriptors(path);
                descriptors.put("rehearsal", descriptor);
                var copy = descriptors.get("rehearsal");
                if (!descriptors.holds("rehearsal") || copy.isEmpty()) {
                    throw new IOException("the holder does not hold what it was given");
                }
                Libc.close(copy.getAsInt());
            } finally {
                Libc.close(descriptor);
            }
        }
    }

    private static int freePort() throws IOException {
        try (var probe = new ServerSocket(0, 1, InetAddress.getByAddress(new byte[] {127, 0, 0, 1}))) {
            return probe.getLocalPort();
        }
    }

    private AgentSettings settings(
            LoopbackCertificate certificate,
            PlayedRegistry registry,
            PlayedOperator operator,
            Path containerd,
            int port)
            throws IOException, GeneralSecurityException {
        var authorities = folder.resolve("ca.crt");
        Files.writeString(authorities, certificate.pem());
        Files.writeString(folder.resolve("token"), "rehearsal");
        var file = folder.resolve("agent.yaml");
        Files.writeString(file, """
                root: %1$s/root
                socket: %1$s/agent.sock
                holder: %1$s/no-holder.sock
                http: {address: 127.0.0.1, port: %2$d}
                containerd: {socket: %3$s}
                cache: {maxSize: 64Mi, minFree: 1Mi}
                registries: [{host: "%4$s", caFile: %1$s/ca.crt}]
                nodeService: {address: "%5$s", caFile: %1$s/ca.crt, tokenFile: %1$s/token}
                """.formatted(folder, port, containerd, registry.host(), operator.address()));
        return AgentSettings.load(file);
    }
}
