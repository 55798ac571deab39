package dev.thaw.operator.node;

import com.google.protobuf.Timestamp;
import dev.thaw.node.v1.Chunks;
import dev.thaw.node.v1.ReportTraceRequest;
import dev.thaw.node.v1.Trace;
import java.time.Instant;

/** Traces for tests. */
final class SampleTraces {
    static final Instant BEGUN = Instant.parse("2026-01-01T00:00:00Z");

    private SampleTraces() {}

    /** Chunks of the first blob, read a second apart, each of a thousand bytes. */
    static Trace of(int... chunks) {
        var places = Chunks.newBuilder();
        var trace = Trace.newBuilder().setBegun(Timestamp.newBuilder().setSeconds(BEGUN.getEpochSecond()));
        for (int chunk : chunks) {
            places.addBlob(0).addChunk(chunk);
            trace.addAfterMillis(1000).addStoredBytes(1000);
        }
        return trace.setChunks(places).build();
    }

    /** @param seconds after the image was claimed */
    static ReportTraceRequest takenAfter(int seconds, String container, int... chunks) {
        return report(container, chunks).toBuilder()
                .setTaken(Timestamp.newBuilder()
                        .setSeconds(BEGUN.plusSeconds(seconds).getEpochSecond()))
                .build();
    }

    static ReportTraceRequest report(String container, int... chunks) {
        return ReportTraceRequest.newBuilder()
                .setArtifactDigest(LazyImages.digest('b'))
                .setContainerId(container)
                .setTrace(of(chunks))
                .build();
    }
}
