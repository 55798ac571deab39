package dev.thaw.agent.node;

import com.google.protobuf.Timestamp;
import dev.thaw.agent.clock.ColdStart;
import dev.thaw.agent.image.Recording;
import dev.thaw.node.v1.Chunks;
import dev.thaw.node.v1.ReportTraceRequest;
import dev.thaw.node.v1.Trace;
import dev.thaw.oci.Digest;
import io.grpc.StatusException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells the operator what the first start of an image reads: a few times, since the operator knows when the pod became ready
 * and cuts there. A report that the operator does not take is lost unless a later one follows; so is one of an agent that ends.
 */
public final class TraceReporter implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(TraceReporter.class);
    private static final Duration DEADLINE = Duration.ofSeconds(20);

    /** When to report, after the process started; the last one is before the recording ends. */
    public static final List<Duration> TIMES =
            List.of(Duration.ofSeconds(3), Duration.ofSeconds(15), Duration.ofSeconds(60), Duration.ofSeconds(290));

    private final NodeServiceConnection connection;
    private final Function<Digest, Optional<Recording>> recordings;
    private final List<Duration> times;
    private final Map<Digest, Recording> followed = new ConcurrentHashMap<>();
    private final ExecutorService followers = Executors.newVirtualThreadPerTaskExecutor();

    /**
     * @param recordings finds what the first start of an image on this node reads
     * @param times when to report, after the process started
     */
    public TraceReporter(
            NodeServiceConnection connection, Function<Digest, Optional<Recording>> recordings, List<Duration> times) {
        this.connection = connection;
        this.recordings = recordings;
        this.times = List.copyOf(times);
    }

    /** A container has started. Only the first one of an image matters. */
    public void started(ColdStart start) {
        var recording = recordings.apply(start.artifact()).filter(running -> !running.hasEnded());
        if (recording.isEmpty() || recording.get().equals(followed.put(start.artifact(), recording.get()))) {
            return;
        }
        try {
            followers.execute(() -> follow(start, recording.get()));
        } catch (RejectedExecutionException e) {
            log.debug("the agent ends; the start of {} is not reported", start.artifact());
        }
    }

    private void follow(ColdStart start, Recording recording) {
        try {
            var waited = Duration.ZERO;
            for (var time : times) {
                Thread.sleep(time.minus(waited));
                waited = time;
                if (recording.isWanted()) {
                    report(start, recording);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            followed.remove(start.artifact(), recording);
        }
    }

    private void report(ColdStart start, Recording recording) {
        try {
            connection
                    .service()
                    .withWaitForReady()
                    .withDeadlineAfter(DEADLINE.toMillis(), TimeUnit.MILLISECONDS)
                    .reportTrace(message(start, recording));
        } catch (StatusException | IOException e) {
            log.info("the operator does not take what the start of {} read: {}", start.artifact(), e.getMessage());
        }
    }

    private static ReportTraceRequest message(ColdStart start, Recording recording) {
        var chunks = Chunks.newBuilder();
        var trace = Trace.newBuilder()
                .setBegun(Timestamp.newBuilder()
                        .setSeconds(recording.begun().getEpochSecond())
                        .setNanos(recording.begun().getNano()));
        int before = 0;
        for (var read : recording.reads()) {
            chunks.addBlob(read.place().blob()).addChunk(read.place().chunk());
            trace.addAfterMillis(read.afterMillis() - before).addStoredBytes(read.storedBytes());
            before = read.afterMillis();
        }
        var prefetched = recording.prefetched();
        return ReportTraceRequest.newBuilder()
                .setArtifactDigest(start.artifact().toString())
                .setContainerId(start.containerId())
                .setPodNamespace(start.podNamespace())
                .setPodName(start.podName())
                .setPodUid(start.podUid())
                .setTrace(trace.setChunks(chunks))
                .setPrefetchedBytes(prefetched.bytes())
                .setPrefetchedUsedBytes(prefetched.used())
                .build();
    }

    @Override
    public void close() {
        followers.shutdownNow();
    }
}
