package dev.thaw.oci;

import java.io.IOException;
import java.util.regex.Pattern;
import okhttp3.HttpUrl;
import okhttp3.MediaType;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One upload at a registry, from the POST that opens it to the PUT that makes it a blob (OCI distribution specification,
 * "Pushing blobs"). Where to send next is what the last answer said.
 */
final class UploadSession {
    private static final Logger LOG = LoggerFactory.getLogger(UploadSession.class);

    private static final MediaType BYTES = MediaType.get(MediaTypes.OCTET_STREAM);

    /** {@code 0-<last byte>}; some registries write the unit before it. */
    private static final Pattern RANGE = Pattern.compile("(?:bytes=)?0-(\\d{1,18})");

    private final Exchange exchange;
    private final Endpoint endpoint;
    private final Reference repository;
    private final Scope scope;
    private final int smallestChunk;
    private HttpUrl location;

    private UploadSession(
            Exchange exchange,
            Endpoint endpoint,
            Reference repository,
            Scope scope,
            HttpUrl location,
            int smallestChunk) {
        this.exchange = exchange;
        this.endpoint = endpoint;
        this.repository = repository;
        this.scope = scope;
        this.location = location;
        this.smallestChunk = smallestChunk;
    }

    /** Opens an upload. */
    static UploadSession open(Action action, Exchange exchange, Endpoint endpoint, Reference repository)
            throws IOException {
        var scope = Scope.push(repository);
        var request = post(endpoint, endpoint.uploads(repository));
        try (var response = exchange.send(action, endpoint, repository, scope, request)) {
            if (response.code() != 202) {
                throw action.refused(response);
            }
            return opened(action, exchange, endpoint, repository, scope, response);
        }
    }

    /** The upload that an answer 202 to a POST describes. */
    static UploadSession opened(
            Action action, Exchange exchange, Endpoint endpoint, Reference repository, Scope scope, Response response)
            throws RegistryException {
        return new UploadSession(
                exchange, endpoint, repository, scope, next(action, response), smallestChunk(action, response));
    }

    static Request post(Endpoint endpoint, HttpUrl url) {
        return endpoint.request(url).post(RequestBody.EMPTY).build();
    }

    /** The least that a chunk other than the last must hold ({@code OCI-Chunk-Min-Length}); 0 if all are welcome. */
    int smallestChunk() {
        return smallestChunk;
    }

    /** Sends a chunk that begins at this byte of the blob. */
    void append(Action action, long start, byte[] bytes, int offset, int length) throws IOException {
        var request = endpoint.request(location)
                .header("Content-Range", start + "-" + (start + length - 1))
                .patch(new OneShotBody(RequestBody.create(bytes, BYTES, offset, length)))
                .build();
        try (var response = exchange.send(action, endpoint, repository, scope, request, exchange.deadline(length))) {
            if (response.code() != 202 && response.code() != 204) {
                throw action.refused(response);
            }
            location = next(action, response);
        }
    }

    /** How many bytes the registry holds already. */
    long received(Action action) throws IOException {
        var request = endpoint.request(location).get().build();
        try (var response = exchange.send(action, endpoint, repository, scope, request)) {
            if (response.code() != 204 && response.code() != 202 && response.code() != 200) {
                throw action.refused(response);
            }
            if (response.header("Location") != null) {
                location = next(action, response);
            }
            var range = response.header("Range");
            if (range == null) {
                return 0;
            }
            var matcher = RANGE.matcher(range.strip());
            if (!matcher.matches()) {
                throw action.invalid(
                        "the upload's state has the Range \"" + Printable.of(range, 80) + "\"",
                        "begin the upload again");
            }
            return Long.parseLong(matcher.group(1)) + 1;
        }
    }

    /** Makes what was sent, and this body, the blob of this digest. */
    void commit(Action action, Digest digest, RequestBody body) throws IOException {
        var url = location.newBuilder()
                .addQueryParameter("digest", digest.toString())
                .build();
        var request = endpoint.request(url).put(new OneShotBody(body)).build();
        try (var response = exchange.sendPatiently(
                action, endpoint, repository, scope, request, exchange.deadline(body.contentLength()))) {
            if (response.code() != 201 && response.code() != 204) {
                throw action.refused(response);
            }
        }
    }

    /** Tells the registry that nothing more will come. Failure is not reported: registries clean up by themselves. */
    void cancel(Action action) {
        var request = endpoint.request(location).delete().build();
        try (var response = exchange.send(action, endpoint, repository, scope, request)) {
            LOG.debug("cancelling an upload to {} was answered {}", repository.name(), response.code());
        } catch (IOException e) {
            LOG.debug("cancelling an upload to {} failed: {}", repository.name(), e.getMessage());
        }
    }

    private static HttpUrl next(Action action, Response response) throws RegistryException {
        var from = response.request().url();
        var to = Endpoint.resolve(from, response.header("Location")).orElse(null);
        if (to == null) {
            throw action.invalid(
                    "the answer %d to %s does not say where to send the content"
                            .formatted(response.code(), Action.line(response.request())),
                    "the registry or a proxy before it drops the Location header");
        }
        if (from.isHttps() && !to.isHttps()) {
            throw action.invalid(
                    "the registry is reached over TLS but wants the content sent to " + Action.bare(to),
                    "content is not sent in the clear; tell the registry its external URL (X-Forwarded-Proto)");
        }
        return to;
    }

    private static int smallestChunk(Action action, Response response) throws RegistryException {
        var header = response.header("OCI-Chunk-Min-Length");
        if (header == null) {
            return 0;
        }
        try {
            var bytes = Integer.parseInt(header.strip());
            if (bytes >= 0 && bytes <= BlobUpload.LARGEST_CHUNK_BYTES) {
                return bytes;
            }
        } catch (NumberFormatException e) {
            LOG.debug("OCI-Chunk-Min-Length is not a number of 32 bits");
        }
        throw action.invalid(
                "the registry demands chunks of at least " + Printable.of(header, 40) + " bytes",
                "at most " + BlobUpload.LARGEST_CHUNK_BYTES + " are held in memory; push it from a file");
    }
}
