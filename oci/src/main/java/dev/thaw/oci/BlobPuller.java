package dev.thaw.oci;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.regex.Pattern;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** {@code GET /v2/<name>/blobs/<digest>}, whole or from some byte on (OCI distribution specification, "Pulling blobs"). */
final class BlobPuller {
    private static final Logger LOG = LoggerFactory.getLogger(BlobPuller.class);

    /** RFC 9110, section 14.4. */
    private static final Pattern CONTENT_RANGE = Pattern.compile("bytes (\\d{1,18})-(\\d{1,18})/(\\d{1,18}|\\*)");

    private final Exchange exchange;
    private final Endpoints endpoints;
    private final Redirects redirects;

    BlobPuller(Exchange exchange, Endpoints endpoints, Redirects redirects) {
        this.exchange = exchange;
        this.endpoints = endpoints;
        this.redirects = redirects;
    }

    /**
     * A wanted piece of a blob.
     *
     * @param start its first byte
     * @param end behind its last byte
     * @param ranged whether to ask for a range; not done where the piece is the whole blob, for caches keep those better
     * @param way for a piece that is tried once, which of the endpoints is asked first; negative for one that is repeated
     */
    record Piece(Action action, Reference repository, Digest digest, long start, long end, boolean ranged, int way) {
        static final int REPEATED = -1;

        Piece from(long position) {
            return new Piece(action, repository, digest, position, end, ranged || position > 0, way);
        }

        boolean isRepeated() {
            return way < 0;
        }
    }

    /**
     * A body that is about to deliver.
     *
     * @param body its first byte is the piece's first byte
     * @param end where the body ends, as a position in the blob; exclusive
     * @param totalBytes the size of the whole blob, or -1 if it was not said
     */
    record Body(InputStream body, long end, long totalBytes, Endpoint endpoint, HttpUrl blob) {}

    /** Opens a piece at the first endpoint that delivers it. */
    Body open(Piece piece) throws IOException {
        return piece.way < 0
                ? endpoints.read(piece.action, piece.repository, false, endpoint -> open(piece, endpoint))
                : endpoints.readOnce(piece.action, piece.repository, piece.way, endpoint -> open(piece, endpoint));
    }

    /** What came from there was wrong or broke off: does not go there again for a while. */
    void distrust(Body body) {
        redirects.forget(body.blob);
        endpoints.rest(body.endpoint);
    }

    private Body open(Piece piece, Endpoint endpoint) throws IOException {
        var url = endpoint.blob(piece.repository, piece.digest);
        var deadline = exchange.deadline(piece.end - piece.start);
        var remembered = redirects.target(url).orElse(null);
        if (remembered != null) {
            var body = openRemembered(piece, endpoint, url, remembered, deadline);
            if (body != null) {
                return body;
            }
        }
        var response = exchange.send(
                piece.action,
                endpoint,
                piece.repository,
                Scope.pull(piece.repository),
                withRange(piece, endpoint.request(url)),
                deadline);
        var body = body(piece, endpoint, url, response);
        var source = response.request().url();
        if (!Endpoint.sameOrigin(source, url)) {
            redirects.remember(url, source);
        }
        return body;
    }

    /** Goes straight to where we were sent before; if that fails in any way, the registry is asked again. */
    private @Nullable Body openRemembered(
            Piece piece, Endpoint endpoint, HttpUrl url, HttpUrl target, Duration deadline) throws IOException {
        try {
            var request = withRange(piece, new Request.Builder().url(target));
            var response = exchange.sendBare(piece.action, request, deadline);
            if (response.code() == 200 || response.code() == 206) {
                return body(piece, endpoint, url, response);
            }
            response.close();
        } catch (RegistryException e) {
            LOG.debug("the remembered place of a blob failed, asking the registry again: {}", e.getMessage());
        }
        redirects.forget(url);
        return null;
    }

    private static Request withRange(Piece piece, Request.Builder request) {
        // Only the bytes as they are stored have the digest, and only they can be counted.
        request.header("Accept-Encoding", "identity");
        if (piece.ranged) {
            request.header("Range", "bytes=" + piece.start + "-" + (piece.end - 1));
        }
        return request.build();
    }

    private static Body body(Piece piece, Endpoint endpoint, HttpUrl url, Response response) throws IOException {
        var opened = false;
        try {
            var body = switch (response.code()) {
                case 200 -> whole(piece, endpoint, url, response);
                case 206 -> part(piece, endpoint, url, response);
                case 416 -> throw unsatisfiable(piece, response);
                default -> throw piece.action.refused(response);
            };
            opened = true;
            return body;
        } finally {
            if (!opened) {
                response.close();
            }
        }
    }

    private static Body part(Piece piece, Endpoint endpoint, HttpUrl url, Response response) throws IOException {
        var header = Endpoint.header(response, "Content-Range");
        var range = CONTENT_RANGE.matcher(header);
        if (!range.matches()) {
            throw piece.action.invalid(
                    "the answer to a range has the Content-Range \"" + Printable.of(header, 80) + "\"",
                    "the registry or a proxy before it does not do ranges properly");
        }
        var first = Long.parseLong(range.group(1));
        var end = Long.parseLong(range.group(2)) + 1;
        var total = range.group(3).equals("*") ? -1 : Long.parseLong(range.group(3));
        // A server may send less than was asked for, never something else.
        if (first != piece.start || end <= first || end > piece.end || (total >= 0 && end > total)) {
            throw piece.action.invalid(
                    "asked for bytes %d to %d, the answer says \"%s\"".formatted(piece.start, piece.end - 1, header),
                    "the registry or a proxy before it does not do ranges properly");
        }
        var length = response.body().contentLength();
        if (length >= 0 && length != end - first) {
            throw piece.action.invalid(
                    "the answer says \"%s\" but has %d bytes".formatted(header, length),
                    "the registry or a proxy before it does not do ranges properly");
        }
        return new Body(response.body().byteStream(), end, total, endpoint, url);
    }

    /** Ranges are optional: who does not know them answers with everything, and what was not asked for is thrown away. */
    private static Body whole(Piece piece, Endpoint endpoint, HttpUrl url, Response response) throws IOException {
        var total = response.body().contentLength();
        if (total >= 0 && total < piece.start) {
            throw piece.action.invalid(
                    "it has %d bytes, byte %d was asked for".formatted(total, piece.start),
                    "the image's metadata and the blob do not fit together");
        }
        var body = response.body().byteStream();
        if (piece.start > 0) {
            LOG.debug("{} ignores ranges; {} bytes are read in vain", endpoint, piece.start);
            try {
                body.skipNBytes(piece.start);
            } catch (IOException e) {
                throw piece.action.brokenOff(
                        "it broke off before byte %d, where the range begins".formatted(piece.start), e);
            }
        }
        return new Body(body, total < 0 ? Long.MAX_VALUE : total, total, endpoint, url);
    }

    private static RegistryException unsatisfiable(Piece piece, Response response) {
        var header = Endpoint.header(response, "Content-Range");
        return piece.action.invalid(
                "bytes %d to %d were asked for and the registry has none there%s"
                        .formatted(
                                piece.start,
                                piece.end - 1,
                                header.isEmpty() ? "" : " (\"" + Printable.of(header, 80) + "\")"),
                "the image's metadata and the blob do not fit together");
    }
}
