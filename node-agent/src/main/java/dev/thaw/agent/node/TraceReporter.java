package dev.thaw.agent.node;

import com.google.protobuf.Timestamp;
import dev.thaw.agent.clock.ColdStart;
import dev.thaw.agent.image.Recording;
import dev.thaw.agent.learn.Places;
import dev.thaw.node.v1.ReportTraceRequest;
import dev.thaw.node.v1.Trace;
import dev.thaw.oci.Digest;
import io.grpc.StatusException;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells the operator what the first start of an image reads, until the operator, which knows when the pod became ready, says
 * that it has all of it. A report that the operator does not take is lost unless a later one follows; so is one of an agent
 * that ends.
 */
public final class TraceReporter implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(TraceReporter.class);
    private static final Duration DEADLINE = Duration.ofSeconds(20);

    private final NodeServiceConnection connection;
    private final Function<Digest, Optional<Recording>> recordings;
    private final List<Duration> times;
    private final ExecutorService followers;

    /**
     * @param recordings finds what the first start of an image on this node reads
     * @param times when to report, after the process started
     * @param followers waits for these times, a task for each start, and ends with this
     */
    public TraceReporter(
            NodeServiceConnection connection,
            Function<Digest, Optional<Recording>> recordings,
            List<Duration> times,
            ExecutorService followers) {
        this.connection = connection;
        this.recordings = recordings;
        this.times = List.copyOf(times);
        this.followers = followers;
    }

    /** A container has started. Only the first one of an image matters. */
    public void started(ColdStart start) {
        recordings.apply(start.artifact()).filter(Recording::claim).ifPresent(recording -> {
            try {
                followers.execute(() -> follow(start, recording));
            } catch (RejectedExecutionException e) {
                log.debug("the agent ends; the start of {} is not reported", start.artifact());
            }
        });
    }

    private void follow(ColdStart start, Recording recording) {
        try {
            var waited = Duration.ZERO;
            for (var time : times) {
                Thread.sleep(time.minus(waited));
                waited = time;
                if (recording.isWanted() && isAllOfIt(start, recording)) {
                    return;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Reports what has been read by now. @return whether the operator needs no more */
    private boolean isAllOfIt(ColdStart start, Recording recording) {
        try {
            return connection
                    .service()
                    .withWaitForReady()
                    .withDeadlineAfter(DEADLINE.toMillis(), TimeUnit.MILLISECONDS)
                    .reportTrace(message(start, recording))
                    .getComplete();
        } catch (StatusException | IOException e) {
            log.info("the operator does not take what the start of {} read: {}", start.artifact(), e.getMessage());
            return false;
        }
    }

    private static ReportTraceRequest message(ColdStart start, Recording recording) {
        var taken = Instant.now();
        var reads = recording.reads();
        var trace = Trace.newBuilder().setBegun(timestamp(recording.begun())).setChunks(Places.chunks(reads));
        int before = 0;
        for (var read : reads) {
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
                .setTrace(trace)
                .setPrefetchedBytes(prefetched.bytes())
                .setPrefetchedUsedBytes(prefetched.used())
                .setTaken(timestamp(taken))
                .build();
    }

    private static Timestamp timestamp(Instant at) {
        return Timestamp.newBuilder()
                .setSeconds(at.getEpochSecond())
                .setNanos(at.getNano())
                .build();
    }

    @Override
    public void close() {
        followers.shutdownNow();
    }
}
