package dev.thaw.agent.node;

import dev.thaw.node.v1.GetCredentialsRequest;
import dev.thaw.node.v1.GetCredentialsResponse;
import dev.thaw.oci.Credential;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Digest;
import io.grpc.StatusException;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Credentials for one image, asked of the operator when they are needed and again when they are due. They stay in
 * memory, and are handed out for the image's own registry only.
 */
final class NodeCredentials implements CredentialSource {
    private static final Logger log = LoggerFactory.getLogger(NodeCredentials.class);
    private static final Duration DEADLINE = Duration.ofSeconds(10);

    private final NodeServiceConnection connection;
    private final Digest artifact;
    private final String registry;
    private final Clock clock;
    private final ReentrantLock lock = new ReentrantLock();
    private @Nullable GetCredentialsResponse known;
    private Instant due = Instant.MIN;

    NodeCredentials(NodeServiceConnection connection, Digest artifact, String registry, Clock clock) {
        this.connection = connection;
        this.artifact = artifact;
        this.registry = registry;
        this.clock = clock;
    }

    @Override
    public Optional<Credential> credential(String registryHost, String repository) {
        if (!registryHost.equals(registry)) {
            return Optional.empty();
        }
        lock.lock();
        try {
            var now = clock.instant();
            if (known == null || now.isAfter(due)) {
                refresh(now);
            }
            return Optional.ofNullable(known).flatMap(NodeCredentials::credential);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void refused(String registryHost, String repository, Credential credential) {
        lock.lock();
        try {
            if (known != null && credential(known).equals(Optional.of(credential))) {
                known = null;
            }
        } finally {
            lock.unlock();
        }
    }

    private void refresh(Instant now) {
        try {
            var answer = connection
                    .service()
                    .withDeadlineAfter(DEADLINE.toMillis(), TimeUnit.MILLISECONDS)
                    .getCredentials(GetCredentialsRequest.newBuilder()
                            .setArtifactDigest(artifact.toString())
                            .build());
            known = answer;
            due = answer.hasRefreshAfter()
                    ? Instant.ofEpochSecond(answer.getRefreshAfter().getSeconds())
                    : now.plus(Duration.ofMinutes(10));
        } catch (StatusException | IOException e) {
            // the ones known may still do; the registry says so if not
            due = now.plus(Duration.ofSeconds(5));
            log.warn(
                    "the operator gives no credentials for image {}: {}; {}",
                    artifact,
                    e.getMessage(),
                    known == null ? "the registry is asked without" : "the last ones are used");
        }
    }

    private static Optional<Credential> credential(GetCredentialsResponse answer) {
        if (!answer.getIdentityToken().isEmpty()) {
            return Optional.of(new Credential.IdentityToken(answer.getIdentityToken()));
        }
        return answer.getUsername().isEmpty()
                ? Optional.empty()
                : Optional.of(new Credential.Basic(answer.getUsername(), answer.getPassword()));
    }
}
