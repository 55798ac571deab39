package dev.thaw.agent.mount;

import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.LocalSocket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Holds descriptors for a process that will end and come back: a FUSE session lives as long as somebody has it open. It
 * holds, hands out and drops, and nothing else, so that there is never a reason to replace it while mounts live.
 *
 * <p>One connection is one question, in one packet:
 * <pre>
 * put NAME   with a descriptor: kept under that name instead of the one before   answer: ok
 * get NAME                                                                       answer: ok with a copy, or ok without
 * drop NAME                                                                      answer: ok
 * list                                                                           answer: ok and the names, one a line
 * </pre>
 */
public final class Holder implements AutoCloseable {
    static final String OK = "ok";
    private static final Logger LOG = LoggerFactory.getLogger(Holder.class);
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private final Path path;
    private final LocalSocket socket;
    private final TreeMap<String, Integer> held = new TreeMap<>();
    private volatile boolean closed;

    private Holder(Path path, LocalSocket socket) {
        this.path = path;
        this.socket = socket;
    }

    /** Holds descriptors at that socket for ever. */
    public static void serve(Path path) throws IOException {
        try (var holder = listen(path)) {
            holder.run();
        }
    }

    /**
     * Begins to listen.
     *
     * @throws IOException also when a holder serves at that path already
     */
    public static Holder listen(Path path) throws IOException {
        if (new HeldDescriptors(path).isThere()) {
            throw new IOException("a holder is already there at " + path);
        }
        var directory = path.toAbsolutePath().getParent();
        if (directory != null) {
            Files.createDirectories(directory);
        }
        Files.deleteIfExists(path);
        var socket = LocalSocket.listen(path);
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
        return new Holder(path, socket);
    }

    /** Serves until it is closed. */
    public void run() throws IOException {
        LOG.info("holding descriptors at {}", path);
        while (!closed) {
            try (var caller = socket.accept(PATIENCE)) {
                answer(caller);
            } catch (IOException e) {
                if (closed) {
                    return;
                }
                LOG.warn("a caller was not answered: {}", e.getMessage());
            }
        }
    }

    private void answer(LocalSocket caller) throws IOException {
        var request = caller.receive();
        int given = request.descriptor();
        int space = request.text().indexOf(' ');
        var verb = space < 0 ? request.text() : request.text().substring(0, space);
        var name = space < 0 ? "" : request.text().substring(space + 1);
        if (verb.equals("put") && given >= 0 && !name.isEmpty()) {
            close(held.put(name, given));
            caller.send(OK, -1);
            LOG.info("holding {}", name);
            return;
        }
        close(given);
        switch (verb) {
            case "get" -> caller.send(OK, held.getOrDefault(name, -1));
            case "drop" -> {
                close(held.remove(name));
                caller.send(OK, -1);
                LOG.info("dropped {}", name);
            }
            case "list" -> caller.send(OK + "\n" + String.join("\n", held.keySet()), -1);
            default -> caller.send("unknown request", -1);
        }
    }

    private static void close(@org.jspecify.annotations.Nullable Integer descriptor) {
        if (descriptor != null && descriptor >= 0) {
            Libc.close(descriptor);
        }
    }

    /** Gives all descriptors up: what depends on them ends. */
    @Override
    public void close() throws IOException {
        closed = true;
        socket.close();
        held.values().forEach(Holder::close);
        Files.deleteIfExists(path);
    }
}
