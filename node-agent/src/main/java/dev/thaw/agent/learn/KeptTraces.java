package dev.thaw.agent.learn;

import dev.thaw.agent.clock.ColdStart;
import dev.thaw.agent.image.LearnedTraces;
import dev.thaw.agent.image.Recording;
import dev.thaw.node.v1.Chunks;
import dev.thaw.oci.Digest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Without an operator: what the first start of each image read, in a folder with one file an image, named by its artifact's
 * digest. It helps this node once the image has left its cache, and every node that is given the folder.
 *
 * <p>Nobody tells such a node when a process is ready. A start is over when it has read nothing new for a while.
 */
public final class KeptTraces implements LearnedTraces, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(KeptTraces.class);

    /**
     * When a start is over.
     *
     * @param silence since it last read something for the first time
     * @param most since its process began, whatever it reads
     */
    public record Over(Duration silence, Duration most) {
        /** Longer than an interpreter computes between two of its imports; shorter than a recording. */
        public static final Over USUALLY = new Over(Duration.ofSeconds(5), Duration.ofMinutes(2));
    }

    private final Path folder;
    private final Function<Digest, Optional<Recording>> recordings;
    private final Over over;
    private final ExecutorService followers = Executors.newVirtualThreadPerTaskExecutor();

    /**
     * @param folder is made when there is something to keep
     * @param recordings finds what the first start of an image on this node reads
     */
    public KeptTraces(Path folder, Function<Digest, Optional<Recording>> recordings, Over over) {
        this.folder = folder;
        this.recordings = recordings;
        this.over = over;
    }

    @Override
    public Learned of(Digest artifact) {
        var file = file(artifact);
        try {
            return new Learned(Places.of(Chunks.parseFrom(Files.readAllBytes(file))), false);
        } catch (NoSuchFileException e) {
            return new Learned(List.of(), true);
        } catch (IOException e) {
            log.warn("{} cannot be read, and the next start is learned in its place: {}", file, e.toString());
            return new Learned(List.of(), true);
        }
    }

    private Path file(Digest artifact) {
        return folder.resolve(artifact.hex() + ".pb");
    }

    /** A container has started. Only the first one of an image matters. */
    public void started(ColdStart start) {
        recordings.apply(start.artifact()).filter(Recording::claim).ifPresent(recording -> {
            try {
                followers.execute(() -> follow(start.artifact(), recording));
            } catch (RejectedExecutionException e) {
                log.debug("the agent ends; the start of {} is not kept", start.artifact());
            }
        });
    }

    private void follow(Digest artifact, Recording recording) {
        try {
            int known = -1;
            for (var passed = Duration.ZERO; passed.compareTo(over.most()) < 0; passed = passed.plus(over.silence())) {
                int now = recording.reads().size();
                if (now == known) {
                    break;
                }
                known = now;
                Thread.sleep(over.silence());
            }
            // asked for the image's prefetch, which may come after its process has begun
            if (recording.isWanted()) {
                keep(artifact, recording);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            log.warn("what the start of {} read cannot be kept in {}: {}", artifact, folder, e.toString());
        }
    }

    private void keep(Digest artifact, Recording recording) throws IOException {
        var chunks = Places.chunks(recording.reads());
        Files.createDirectories(folder);
        var file = file(artifact);
        var part = Files.createTempFile(folder, artifact.hex(), ".part");
        try {
            Files.write(part, chunks.toByteArray());
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(part);
        }
        log.info("keeps in {} what the start of {} read: {} chunks", file, artifact, chunks.getChunkCount());
    }

    @Override
    public void close() {
        followers.shutdownNow();
    }
}
