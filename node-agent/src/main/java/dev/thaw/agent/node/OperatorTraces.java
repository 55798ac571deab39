package dev.thaw.agent.node;

import dev.thaw.agent.image.LearnedTraces;
import dev.thaw.agent.learn.Places;
import dev.thaw.node.v1.GetTraceRequest;
import dev.thaw.oci.Digest;
import io.grpc.StatusException;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What the operator has learned of starts on all nodes. */
public final class OperatorTraces implements LearnedTraces {
    private static final Logger log = LoggerFactory.getLogger(OperatorTraces.class);
    /** A start is under way: an answer that comes later is of no use. */
    private static final Duration PATIENCE = Duration.ofSeconds(3);

    private final NodeServiceConnection connection;

    public OperatorTraces(NodeServiceConnection connection) {
        this.connection = connection;
    }

    @Override
    public Learned of(Digest artifact) {
        try {
            var answer = connection
                    .service()
                    .withDeadlineAfter(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)
                    .getTrace(GetTraceRequest.newBuilder()
                            .setArtifactDigest(artifact.toString())
                            .build());
            return new Learned(Places.of(answer.getChunks()), answer.getLearning());
        } catch (StatusException | IOException e) {
            log.info(
                    "the operator does not say how image {} is read, so nothing is replayed: {}",
                    artifact,
                    e.getMessage());
            return Learned.NOTHING;
        }
    }
}
