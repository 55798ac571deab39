package dev.thaw.agent.node;

import dev.thaw.agent.image.WarmLevel;
import dev.thaw.node.v1.Warmups;
import dev.thaw.node.v1.WatchWarmupsRequest;
import dev.thaw.oci.Digest;
import io.grpc.StatusException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The images that the operator wants this node to hold. What was heard last is kept in a file, so that a node that starts while
 * the operator is away does not throw away what it holds.
 */
public final class WatchedWarmups implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(WatchedWarmups.class);

    private final NodeServiceConnection connection;
    private final Path file;
    private final Consumer<Map<Digest, WarmLevel>> holder;
    private final Redial redial;

    /** @param holder is given the whole set each time it has changed */
    public WatchedWarmups(NodeServiceConnection connection, Path file, Consumer<Map<Digest, WarmLevel>> holder) {
        this.connection = connection;
        this.file = file;
        this.holder = holder;
        redial = Redial.start(
                "watch-warmups",
                "what the operator wants to be held cannot be watched, the last known is held",
                this::follow);
    }

    /** What was heard last, by this process or the one before it. */
    public static Map<Digest, WarmLevel> saved(Path file) {
        try {
            return Files.exists(file) ? levels(Warmups.parseFrom(Files.readAllBytes(file))) : Map.of();
        } catch (IOException | IllegalArgumentException e) {
            log.warn("{} is damaged and is passed over; the operator tells it again: {}", file, e.getMessage());
            return Map.of();
        }
    }

    private boolean follow() throws StatusException, IOException, InterruptedException {
        boolean heard = false;
        var stream = connection.service().watchWarmups(WatchWarmupsRequest.getDefaultInstance());
        try {
            while (stream.hasNext()) {
                var warmups = stream.read();
                if (warmups != null) {
                    heard = true;
                    save(warmups);
                    holder.accept(levels(warmups));
                }
            }
        } finally {
            stream.cancel("ended", null);
        }
        return heard;
    }

    private void save(Warmups warmups) throws IOException {
        var part = file.resolveSibling(file.getFileName() + ".part");
        Files.write(part, warmups.toByteArray());
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static Map<Digest, WarmLevel> levels(Warmups warmups) {
        var levels = new HashMap<Digest, WarmLevel>();
        for (var warmup : warmups.getWarmupsList()) {
            levels.put(
                    Digest.parse(warmup.getArtifactDigest()),
                    switch (warmup.getLevel()) {
                        case WARM_LEVEL_METADATA, WARM_LEVEL_UNSPECIFIED, UNRECOGNIZED -> WarmLevel.METADATA;
                        case WARM_LEVEL_ENTRYPOINT -> WarmLevel.ENTRYPOINT;
                        case WARM_LEVEL_TRACE -> WarmLevel.TRACE;
                        case WARM_LEVEL_FULL -> WarmLevel.FULL;
                    });
        }
        return levels;
    }

    @Override
    public void close() {
        redial.close();
    }
}
