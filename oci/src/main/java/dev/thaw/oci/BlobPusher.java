package dev.thaw.oci;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicBoolean;
import okhttp3.HttpUrl;
import okhttp3.RequestBody;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Puts whole blobs into a repository: not at all if they are there, by mounting, or by POST and one PUT. */
final class BlobPusher {
    private static final Logger LOG = LoggerFactory.getLogger(BlobPusher.class);

    private final Exchange exchange;
    private final Endpoints endpoints;
    private final BlobChecker checker;
    private final Retries retries;

    BlobPusher(Exchange exchange, Endpoints endpoints, BlobChecker checker, Retries retries) {
        this.exchange = exchange;
        this.endpoints = endpoints;
        this.checker = checker;
        this.retries = retries;
    }

    /** @param body can be written more than once */
    void push(Reference repository, Digest digest, RequestBody body) throws IOException {
        if (checker.exists(repository, digest, Scope.push(repository))) {
            return;
        }
        var action = new Action("push the blob", digest, repository);
        var endpoint = endpoints.origin(repository);
        var repeated = new AtomicBoolean();
        retries.run(action, () -> {
            // The answer may have been lost after the blob was made.
            if (repeated.getAndSet(true) && checker.exists(repository, digest, Scope.push(repository))) {
                return;
            }
            var session = UploadSession.open(action, exchange, endpoint, repository);
            var done = false;
            try {
                session.commit(action, digest, body);
                done = true;
            } finally {
                if (!done) {
                    session.cancel(action);
                }
            }
        });
    }

    /**
     * Makes a blob of another repository of the same registry appear in this one (OCI distribution specification,
     * "Mounting a blob from another repository").
     *
     * @return false if the registry would rather have it sent
     */
    boolean mount(Reference repository, Digest digest, String fromRepository) throws IOException {
        var action = new Action("mount the blob", digest, repository);
        var endpoint = endpoints.origin(repository);
        HttpUrl url = endpoint.uploads(repository)
                .newBuilder()
                .addQueryParameter("mount", digest.toString())
                .addQueryParameter("from", fromRepository)
                .build();
        try {
            return retries.call(action, () -> {
                var scope = Scope.mount(repository, fromRepository);
                var request = UploadSession.post(endpoint, url);
                try (var response = exchange.send(action, endpoint, repository, scope, request)) {
                    if (response.code() == 201) {
                        return true;
                    }
                    if (response.code() == 202) {
                        UploadSession.opened(action, exchange, endpoint, repository, Scope.push(repository), response)
                                .cancel(action);
                        return false;
                    }
                    throw action.refused(response);
                }
            });
        } catch (RegistryException e) {
            if (e.isTransient()) {
                throw e;
            }
            // Whoever may not read there, or meets a registry without mounts, may still be able to send it.
            LOG.debug("not mounted: {}", e.getMessage());
            return false;
        }
    }
}
