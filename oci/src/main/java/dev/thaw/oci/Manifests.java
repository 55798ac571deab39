package dev.thaw.oci;

import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;
import okhttp3.MediaType;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** {@code /v2/<name>/manifests/<reference>}: GET, HEAD, PUT and DELETE. */
final class Manifests {
    private static final Logger LOG = LoggerFactory.getLogger(Manifests.class);
    private static final String ACCEPT = String.join(
            ", ", MediaTypes.OCI_INDEX, MediaTypes.OCI_MANIFEST, MediaTypes.DOCKER_INDEX, MediaTypes.DOCKER_MANIFEST);

    private final Exchange exchange;
    private final Endpoints endpoints;
    private final Retries retries;

    Manifests(Exchange exchange, Endpoints endpoints, Retries retries) {
        this.exchange = exchange;
        this.endpoints = endpoints;
        this.retries = retries;
    }

    Document pull(Reference reference) throws IOException {
        var action = new Action("pull the manifest of", reference);
        return endpoints.read(
                action, reference, reference.digest() == null, endpoint -> pull(action, endpoint, reference));
    }

    /** As {@link #pull}, but past all mirrors: what is about to be changed must not come from a cache. */
    Document pullFromOrigin(Reference reference) throws IOException {
        var action = new Action("pull the manifest of", reference);
        return retries.call(action, () -> pull(action, endpoints.origin(reference), reference));
    }

    private Document pull(Action action, Endpoint endpoint, Reference reference) throws IOException {
        try (var response = send(action, endpoint, reference, "GET")) {
            if (response.code() != 200) {
                throw action.refused(response);
            }
            var bytes = body(action, response);
            var wanted = reference.digest();
            if (wanted != null && !wanted.matches(bytes)) {
                throw action.invalid(
                        "%s delivered %d bytes with the digest %s"
                                .formatted(endpoint, bytes.length, Digest.of(wanted.algorithm(), bytes)),
                        "its content is damaged or forged and was thrown away; check the registry's storage");
            }
            hint(response)
                    .filter(said -> !said.matches(bytes))
                    .ifPresent(said -> LOG.warn(
                            "{} calls the manifest {} but delivered {}", endpoint, said, Digest.sha256(bytes)));
            try {
                return Document.parse(bytes, response.header("Content-Type"));
            } catch (IllegalArgumentException e) {
                throw action.invalid("it cannot be used: " + e.getMessage(), "rebuild the image or push it again");
            }
        }
    }

    /** The digest a tag stands for now. Costs no pull where the registry answers HEAD as it should. */
    Digest resolve(Reference reference) throws IOException {
        var action = new Action("resolve", reference);
        return endpoints.read(action, reference, reference.digest() == null, endpoint -> {
            try (var response = send(action, endpoint, reference, "HEAD")) {
                var said = hint(response);
                if (response.code() == 200 && (said.isPresent() || reference.digest() != null)) {
                    return reference.digest() == null ? said.get() : reference.digest();
                }
                // The rest has no body that explains it, or means that HEAD is not known here: GET tells.
                if (response.code() >= 500 || response.code() == 429) {
                    throw action.refused(response);
                }
            }
            return pull(action, endpoint, reference).digest();
        });
    }

    /**
     * What a push came to.
     *
     * @param subjectRecorded whether the registry says that it keeps the manifest among its subject's referrers
     */
    record Pushed(Digest digest, boolean subjectRecorded) {}

    Pushed push(Reference target, String mediaType, byte[] bytes) throws IOException {
        var action = new Action("push the manifest", target);
        var digest = target.digest() == null ? Digest.sha256(bytes) : target.digest();
        if (!digest.matches(bytes)) {
            throw action.invalid(
                    "its content has the digest " + Digest.of(digest.algorithm(), bytes), "name it by that");
        }
        var endpoint = endpoints.origin(target);
        return retries.call(action, () -> {
            var request = endpoint.request(endpoint.manifest(target))
                    .put(RequestBody.create(bytes, MediaType.get(mediaType)))
                    .build();
            try (var response = exchange.send(action, endpoint, target, Scope.push(target), request)) {
                if (response.code() != 201 && response.code() != 200) {
                    throw action.refused(response);
                }
                var kept = hint(response);
                if (kept.isPresent() && !kept.get().matches(bytes)) {
                    throw action.invalid(
                            "the registry keeps it as " + kept.get() + ", it is " + digest,
                            "the registry or a proxy before it changes content");
                }
                return new Pushed(digest, response.header("OCI-Subject") != null);
            }
        });
    }

    void delete(Reference reference) throws IOException {
        var action = new Action("delete the manifest", reference);
        var endpoint = endpoints.origin(reference);
        retries.run(action, () -> {
            var request =
                    endpoint.request(endpoint.manifest(reference)).delete().build();
            try (var response = exchange.send(action, endpoint, reference, Scope.delete(reference), request)) {
                if (response.code() != 202 && response.code() != 200 && response.code() != 204) {
                    throw action.refused(response);
                }
            }
        });
    }

    private Response send(Action action, Endpoint endpoint, Reference reference, String method) throws IOException {
        Request request = endpoint.request(endpoint.manifest(reference))
                .header("Accept", ACCEPT)
                .method(method, null)
                .build();
        return exchange.send(action, endpoint, reference, Scope.pull(reference), request);
    }

    private static byte[] body(Action action, Response response) throws IOException {
        byte[] bytes;
        try (InputStream in = response.body().byteStream()) {
            bytes = in.readNBytes(Document.MAX_BYTES + 1);
        } catch (IOException e) {
            throw action.unreachable(response.request(), e);
        }
        if (bytes.length > Document.MAX_BYTES) {
            throw action.invalid(
                    "it is larger than " + Document.MAX_BYTES + " bytes", "no registry need keep one of that size");
        }
        return bytes;
    }

    /** A body's media type and digest come from the body; what the header says is only compared. */
    private static Optional<Digest> hint(Response response) {
        var header = response.header("Docker-Content-Digest");
        if (header == null) {
            return Optional.empty();
        }
        try {
            return Optional.of(Digest.parse(header.strip()));
        } catch (IllegalArgumentException notADigest) {
            return Optional.empty();
        }
    }
}
