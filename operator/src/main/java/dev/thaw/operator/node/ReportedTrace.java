package dev.thaw.operator.node;

import com.google.protobuf.Timestamp;
import dev.thaw.node.v1.Chunks;
import dev.thaw.node.v1.ReportTraceRequest;
import dev.thaw.node.v1.Trace;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.Optional;

/** What an agent says that a start has read, made fit to be kept. */
final class ReportedTrace {
    /** The time in the condition is cut to the second. */
    private static final Duration AFTER_READY = Duration.ofSeconds(1);

    /** A pod that is not probed is ready as soon as its processes run, which have read next to nothing by then. */
    private static final Duration AFTER_RUNNING = Duration.ofSeconds(10);

    private ReportedTrace() {}

    /** Whether its parts fit together and keep the bound. */
    static boolean isSound(ReportTraceRequest report) {
        var trace = report.getTrace();
        int count = trace.getChunks().getChunkCount();
        if (count > MergedTrace.MOST_CHUNKS
                || trace.getChunks().getBlobCount() != count
                || trace.getAfterMillisCount() != count
                || trace.getStoredBytesCount() != count) {
            return false;
        }
        var places = new HashSet<Long>();
        for (int i = 0; i < count; i++) {
            int blob = trace.getChunks().getBlob(i);
            int chunk = trace.getChunks().getChunk(i);
            if (blob < 0 || chunk < 0 || trace.getStoredBytes(i) < 0 || !places.add((long) blob << 32 | chunk)) {
                return false;
            }
        }
        return true;
    }

    /** When the start that is reported was over, as far as it is: no start waits for what is read later. */
    static Optional<Instant> over(ReportTraceRequest report, WatchedPod pod) {
        var begun = instant(report.getTrace().getBegun());
        return pod.ready()
                .filter(ready -> ready.isAfter(begun))
                .map(ready -> ready.plus(pod.probed() ? AFTER_READY : AFTER_RUNNING));
    }

    /** Whether the report holds all of a start that was over then. */
    static boolean isComplete(ReportTraceRequest report, Instant over) {
        return !instant(report.getTaken()).isBefore(over);
    }

    /**
     * What is kept of a sound report: without the names of pods, and without what was read after the start.
     *
     * @param over when the start was over, as far as it is
     */
    static ReportTraceRequest kept(ReportTraceRequest report, Optional<Instant> over) {
        var kept = report.toBuilder()
                .clearPodNamespace()
                .clearPodName()
                .clearPodUid()
                .clearTaken();
        var begun = instant(report.getTrace().getBegun());
        over.ifPresent(time -> kept.setTrace(
                until(report.getTrace(), Duration.between(begun, time).toMillis())));
        return kept.build();
    }

    private static Trace until(Trace trace, long millis) {
        int count = 0;
        long at = 0;
        while (count < trace.getAfterMillisCount() && at + trace.getAfterMillis(count) <= millis) {
            at += trace.getAfterMillis(count);
            count++;
        }
        return trace.toBuilder()
                .setChunks(Chunks.newBuilder()
                        .addAllBlob(trace.getChunks().getBlobList().subList(0, count))
                        .addAllChunk(trace.getChunks().getChunkList().subList(0, count)))
                .clearAfterMillis()
                .addAllAfterMillis(trace.getAfterMillisList().subList(0, count))
                .clearStoredBytes()
                .addAllStoredBytes(trace.getStoredBytesList().subList(0, count))
                .build();
    }

    private static Instant instant(Timestamp time) {
        return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
    }
}
