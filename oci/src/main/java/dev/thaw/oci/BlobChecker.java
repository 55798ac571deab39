package dev.thaw.oci;

import java.io.IOException;
import java.util.OptionalLong;

/** {@code HEAD /v2/<name>/blobs/<digest>}: is it there, and how large is it. */
final class BlobChecker {
    private final Exchange exchange;
    private final Endpoints endpoints;
    private final Retries retries;

    BlobChecker(Exchange exchange, Endpoints endpoints, Retries retries) {
        this.exchange = exchange;
        this.endpoints = endpoints;
        this.retries = retries;
    }

    /** Whether the registry itself has the blob; asked with the right to push, since that comes next. */
    boolean exists(Reference repository, Digest digest, Scope scope) throws IOException {
        var action = new Action("look for the blob", digest, repository);
        try {
            retries.call(action, () -> size(action, endpoints.origin(repository), repository, digest, scope));
            return true;
        } catch (RegistryException.NotFound e) {
            return false;
        }
    }

    /** The size of a blob in bytes. */
    long size(Reference repository, Digest digest) throws IOException {
        var action = new Action("look for the blob", digest, repository);
        return endpoints
                .read(
                        action,
                        repository,
                        false,
                        endpoint -> size(action, endpoint, repository, digest, Scope.pull(repository)))
                .orElseThrow(() -> action.invalid(
                        "the registry does not say how large it is",
                        "a proxy before the registry drops Content-Length from answers to HEAD"));
    }

    private OptionalLong size(Action action, Endpoint endpoint, Reference repository, Digest digest, Scope scope)
            throws IOException {
        var request = endpoint.request(endpoint.blob(repository, digest))
                // A size is only sent for bytes as they are stored.
                .header("Accept-Encoding", "identity")
                .head()
                .build();
        try (var response = exchange.send(action, endpoint, repository, scope, request)) {
            if (response.code() != 200) {
                throw action.refused(response);
            }
            var length = response.header("Content-Length");
            try {
                return length == null ? OptionalLong.empty() : OptionalLong.of(Long.parseLong(length));
            } catch (NumberFormatException e) {
                return OptionalLong.empty();
            }
        }
    }
}
