package dev.thaw.oci;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import mockwebserver3.Dispatcher;
import mockwebserver3.MockResponse;
import mockwebserver3.MockWebServer;
import mockwebserver3.RecordedRequest;
import mockwebserver3.SocketEffect;
import okhttp3.Headers;
import okhttp3.HttpUrl;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import okio.Buffer;
import org.jspecify.annotations.Nullable;

/**
 * A registry in memory, on a loopback port, that does what the OCI distribution specification says and as much of what
 * it should not do as a test asks for: logins, redirects to a storage host of its own, missing abilities, faults.
 *
 * <p>What a test changes takes effect at once. Requests are served one after the other.
 */
public final class FakeRegistry implements AutoCloseable {
    private static final Pattern ROUTE = Pattern.compile("/v2/(.+)/(manifests|blobs|referrers)/(.*)");
    private static final Pattern RANGE = Pattern.compile("bytes=(\\d+)-(\\d*)");
    private static final Pattern CONTENT_RANGE = Pattern.compile("(\\d+)-(\\d+)");

    /** One request, as it came. */
    public record Seen(String method, String path, @Nullable String query, Headers headers, byte[] body) {
        public boolean is(String wantedMethod, String pathPart) {
            return method.equals(wantedMethod) && path.contains(pathPart);
        }

        public @Nullable String header(String name) {
            return headers.get(name);
        }
    }

    /** A request that is not served but answered so. */
    private static final class Fault {
        final String method;
        final String pathPart;
        final Answer answer;
        int left;

        Fault(int times, String method, String pathPart, Answer answer) {
            this.left = times;
            this.method = method;
            this.pathPart = pathPart;
            this.answer = answer;
        }
    }

    @FunctionalInterface
    private interface Answer {
        /** @param honest serves the request as if there were no fault */
        MockResponse to(Seen request, Supplier<MockResponse> honest);
    }

    private record Stored(String mediaType, byte[] bytes) {}

    private static final class Upload {
        final ByteArrayOutputStream received = new ByteArrayOutputStream();
        int state;
    }

    private final MockWebServer server = new MockWebServer();
    private final MockWebServer storage = new MockWebServer();
    private final @Nullable HeldCertificate certificate;
    private final ReentrantLock lock = new ReentrantLock();
    private final List<Seen> requests = new CopyOnWriteArrayList<>();
    private final List<Seen> storageRequests = new CopyOnWriteArrayList<>();
    private final List<Fault> faults = new ArrayList<>();
    private final List<Fault> storageFaults = new ArrayList<>();
    private final Map<String, byte[]> blobs = new HashMap<>();
    private final Map<String, Stored> manifests = new LinkedHashMap<>();
    private final Map<String, Upload> uploads = new HashMap<>();
    private int uploadsBegun;
    private final Map<String, Set<String>> tokens = new HashMap<>();

    private @Nullable String basic;
    private boolean asksForTokens;
    private @Nullable String user;
    private @Nullable String password;
    private @Nullable String identityToken;
    private @Nullable HttpUrl realm;
    private long tokenSeconds = 300;
    private boolean redirects;
    private String signature = "signature=alpha";
    private boolean ranges = true;
    private boolean lengths = true;
    private boolean referrersApi = true;
    private boolean filters;
    private int pageSize = Integer.MAX_VALUE;
    private boolean endlessPages;
    private boolean mounts = true;
    private int smallestChunk;
    private boolean answersHead = true;
    private boolean deletes = true;
    private @Nullable String namedDigest;
    private int halves;

    private FakeRegistry(@Nullable HeldCertificate certificate) throws IOException {
        this.certificate = certificate;
        if (certificate != null) {
            var handshake = new HandshakeCertificates.Builder()
                    .heldCertificate(certificate)
                    .build();
            server.useHttps(handshake.sslSocketFactory());
            storage.useHttps(handshake.sslSocketFactory());
        }
        server.setDispatcher(dispatcher(requests, faults, this::serve));
        storage.setDispatcher(dispatcher(storageRequests, storageFaults, this::serveStorage));
        server.start(InetAddress.getByName("127.0.0.1"), 0);
        storage.start(InetAddress.getByName("127.0.0.1"), 0);
    }

    /** A registry that speaks plain HTTP. */
    public static FakeRegistry start() {
        try {
            return new FakeRegistry(null);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A registry with a certificate that nobody knows but {@link #settings()}. */
    public static FakeRegistry startTls() {
        try {
            return new FakeRegistry(new HeldCertificate.Builder()
                    .addSubjectAlternativeName("127.0.0.1")
                    .build());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    // --- where it is

    /** The host as references write it. */
    public String host() {
        return "127.0.0.1:" + server.getPort();
    }

    public String storageHost() {
        return "127.0.0.1:" + storage.getPort();
    }

    public Reference repository(String path) {
        return new Reference(host(), path, null, null);
    }

    /** Settings with which this registry can be reached, and with pauses fit for tests. */
    public RegistrySettings settings() {
        var settings = RegistrySettings.defaults()
                .withRetries(3, Duration.ofMillis(2), Duration.ofMillis(50))
                .withTimeouts(Duration.ofSeconds(2), Duration.ofSeconds(5), Duration.ofSeconds(10));
        return certificate == null
                ? settings.withPlainHttp(host())
                : settings.withAuthorities(List.of(certificate.certificate()));
    }

    /** The certificate of a registry with TLS, as PEM. */
    public String authorityPem() {
        if (certificate == null) {
            throw new IllegalStateException("this registry speaks plain HTTP");
        }
        return certificate.certificatePem();
    }

    // --- content

    public Digest addBlob(String repository, byte[] content) {
        var digest = Digest.sha256(content);
        put(() -> blobs.put(repository + "@" + digest, content.clone()));
        return digest;
    }

    public Descriptor addBlob(String repository, String mediaType, byte[] content) {
        addBlob(repository, content);
        return Descriptor.of(mediaType, content);
    }

    /** Adds a document, and a tag for it unless that is null. */
    public Digest addManifest(String repository, @Nullable String tag, String mediaType, byte[] content) {
        var digest = Digest.sha256(content);
        put(() -> {
            manifests.put(repository + "@" + digest, new Stored(mediaType, content.clone()));
            if (tag != null) {
                manifests.put(repository + ":" + tag, new Stored(mediaType, content.clone()));
            }
        });
        return digest;
    }

    public Digest addManifest(String repository, @Nullable String tag, Document document) {
        return addManifest(repository, tag, document.mediaType(), document.bytes());
    }

    public Optional<byte[]> blob(String repository, Digest digest) {
        return Optional.ofNullable(blobs.get(repository + "@" + digest));
    }

    /** A manifest by {@code tag} or {@code sha256:…}. */
    public Optional<byte[]> manifest(String repository, String selector) {
        var stored = manifests.get(key(repository, selector));
        return stored == null ? Optional.empty() : Optional.of(stored.bytes);
    }

    public int openUploads() {
        lock.lock();
        try {
            return uploads.size();
        } finally {
            lock.unlock();
        }
    }

    // --- behaviour

    public FakeRegistry wantsBasic(String userName, String secret) {
        put(() -> basic = basicHeader(userName, secret));
        return this;
    }

    /** Wants tokens; gives them to anybody for pulling, and for all else only to this user. */
    public FakeRegistry wantsTokens(String userName, String secret) {
        put(() -> {
            asksForTokens = true;
            user = userName;
            password = secret;
        });
        return this;
    }

    /** The token server also takes this refresh token. */
    public FakeRegistry takesIdentityToken(String token) {
        put(() -> {
            asksForTokens = true;
            identityToken = token;
        });
        return this;
    }

    /** The token server the challenge names, where it is not this registry's own. */
    public FakeRegistry namesTokenServer(String url) {
        put(() -> realm = HttpUrl.get(url));
        return this;
    }

    public FakeRegistry tokensLive(Duration lifetime) {
        put(() -> tokenSeconds = lifetime.toSeconds());
        return this;
    }

    /** All tokens given so far are worth nothing from now on. */
    public void revokeTokens() {
        put(tokens::clear);
    }

    /** Changes the password; the old one is refused from now on. */
    public void changePassword(String secret) {
        put(() -> password = secret);
    }

    /** Sends whoever wants a blob to a storage host, with a signed URL. */
    public FakeRegistry redirectsBlobs() {
        put(() -> redirects = true);
        return this;
    }

    /** The query of signed URLs; older ones are refused by the storage from now on. */
    public void signs(String query) {
        put(() -> signature = query);
    }

    public FakeRegistry ignoresRanges() {
        put(() -> ranges = false);
        return this;
    }

    /** Sends blobs without {@code Content-Length}. */
    public FakeRegistry hidesLengths() {
        put(() -> lengths = false);
        return this;
    }

    public FakeRegistry withoutReferrersApi() {
        put(() -> referrersApi = false);
        return this;
    }

    public FakeRegistry filtersReferrers() {
        put(() -> filters = true);
        return this;
    }

    public FakeRegistry pagesReferrersBy(int entries) {
        put(() -> pageSize = entries);
        return this;
    }

    /** Every page of referrers names a next one. */
    public FakeRegistry neverEndsPages() {
        put(() -> endlessPages = true);
        return this;
    }

    public FakeRegistry withoutMounts() {
        put(() -> mounts = false);
        return this;
    }

    public FakeRegistry demandsChunksOf(int bytes) {
        put(() -> smallestChunk = bytes);
        return this;
    }

    public FakeRegistry refusesHead() {
        put(() -> answersHead = false);
        return this;
    }

    public FakeRegistry refusesDeletion() {
        put(() -> deletes = false);
        return this;
    }

    /** Names this digest for every manifest. */
    public FakeRegistry namesDigest(String digest) {
        put(() -> namedDigest = digest);
        return this;
    }

    // --- faults

    /** Does not serve the next requests of this method whose path contains this, but answers with this status. */
    public void fail(int times, String method, String pathPart, int status, String... headers) {
        fault(faults, times, method, pathPart, (request, honest) -> status(status, headers));
    }

    public void failStorage(int times, int status) {
        fault(storageFaults, times, "GET", "", (request, honest) -> status(status));
    }

    /** Closes the connection instead of answering; what the request asks for is done. */
    public void hangUp(int times, String method, String pathPart) {
        fault(
                faults,
                times,
                method,
                pathPart,
                (request, honest) -> honest.get()
                        .newBuilder()
                        .onResponseStart(new SocketEffect.CloseSocket())
                        .build());
    }

    /** Breaks the answer off after so many bytes of its body. */
    public void cutBody(int times, String method, String pathPart, int afterBytes) {
        fault(faults, times, method, pathPart, (request, honest) -> cut(honest.get(), afterBytes));
    }

    public void cutStorageBody(int times, int afterBytes) {
        fault(storageFaults, times, "GET", "", (request, honest) -> cut(honest.get(), afterBytes));
    }

    /** Sends the right headers with another body of the same length. */
    public void tamper(int times, String pathPart) {
        fault(faults, times, "GET", pathPart, (request, honest) -> {
            var response = honest.get();
            var body = bytes(response);
            body[body.length / 2] ^= 1;
            return response.newBuilder().body(new Buffer().write(body)).build();
        });
    }

    /** Takes only half of a chunk, then closes the connection. */
    public void takeHalf(int times) {
        put(() -> halves = times);
    }

    /** Answers with exactly this. */
    public void answer(int times, String method, String pathPart, MockResponse response) {
        fault(faults, times, method, pathPart, (request, honest) -> response);
    }

    /** No fault that is left strikes any more. */
    public void heal() {
        put(() -> {
            faults.clear();
            storageFaults.clear();
            halves = 0;
        });
    }

    // --- what was seen

    public List<Seen> requests() {
        return List.copyOf(requests);
    }

    public List<Seen> requests(String method, String pathPart) {
        return requests.stream().filter(seen -> seen.is(method, pathPart)).toList();
    }

    public List<Seen> storageRequests() {
        return List.copyOf(storageRequests);
    }

    public void forgetRequests() {
        requests.clear();
        storageRequests.clear();
    }

    @Override
    public void close() {
        server.close();
        storage.close();
    }

    // --- serving

    @FunctionalInterface
    private interface Service {
        MockResponse to(Seen request);
    }

    private Dispatcher dispatcher(List<Seen> seen, List<Fault> theirFaults, Service service) {
        return new Dispatcher() {
            @Override
            public MockResponse dispatch(RecordedRequest recorded) {
                var body = recorded.getBody();
                var request = new Seen(
                        recorded.getMethod(),
                        recorded.getUrl().encodedPath(),
                        recorded.getUrl().encodedQuery(),
                        recorded.getHeaders(),
                        body == null ? new byte[0] : body.toByteArray());
                seen.add(request);
                lock.lock();
                try {
                    var response = answer(request);
                    return request.method.equals("HEAD") ? withoutBody(response) : response;
                } finally {
                    lock.unlock();
                }
            }

            private MockResponse answer(Seen request) {
                for (var fault : theirFaults) {
                    if (fault.left > 0 && request.is(fault.method, fault.pathPart)) {
                        fault.left--;
                        return fault.answer.to(request, () -> service.to(request));
                    }
                }
                return service.to(request);
            }
        };
    }

    private MockResponse serve(Seen request) {
        if (request.path.equals("/token")) {
            return token(request);
        }
        var route = ROUTE.matcher(request.path);
        if (!route.matches()) {
            return request.path.equals("/v2/") ? status(200) : error(404, "NOT_FOUND", "no such page");
        }
        var repository = route.group(1);
        var kind = route.group(2);
        var rest = route.group(3);
        if (kind.equals("blobs") && rest.startsWith("uploads")) {
            return permitted(request, repository, "push").orElseGet(() -> upload(request, repository, rest));
        }
        return switch (request.method) {
            case "GET", "HEAD" ->
                permitted(request, repository, "pull").orElseGet(() -> switch (kind) {
                    case "manifests" -> getManifest(request, repository, rest);
                    case "blobs" -> getBlob(request, repository, rest);
                    default -> getReferrers(request, repository, rest);
                });
            case "PUT" ->
                permitted(request, repository, "push").orElseGet(() -> putManifest(request, repository, rest));
            case "DELETE" -> permitted(request, repository, "delete").orElseGet(() -> deleteManifest(repository, rest));
            default -> error(405, "UNSUPPORTED", "method not allowed");
        };
    }

    private Optional<MockResponse> permitted(Seen request, String repository, String action) {
        var sent = request.header("Authorization");
        if (basic != null) {
            return basic.equals(sent)
                    ? Optional.empty()
                    : Optional.of(status(401, "WWW-Authenticate", "Basic realm=\"fake\""));
        }
        if (!asksForTokens) {
            return Optional.empty();
        }
        var granted = sent == null ? null : tokens.get(sent.replaceFirst("^Bearer ", ""));
        var needed = "repository:" + repository + ":" + action;
        if (granted != null && granted.contains(needed)) {
            return Optional.empty();
        }
        var server = realm == null ? url("/token") : realm.toString();
        return Optional.of(status(
                401,
                "WWW-Authenticate",
                "Bearer realm=\"%s\",service=\"fake.registry\",scope=\"repository:%s:%s\""
                        .formatted(server, repository, action.equals("push") ? "pull,push" : action)));
    }

    private MockResponse token(Seen request) {
        var parameters = HttpUrl.get("http://parameters/?"
                + (request.method.equals("POST")
                        ? new String(request.body, StandardCharsets.UTF_8).replace("+", "%20")
                        : request.query == null ? "" : request.query));
        var known = false;
        if (request.method.equals("POST")) {
            known = identityToken != null && identityToken.equals(parameters.queryParameter("refresh_token"));
            if (!known) {
                return error(401, "UNAUTHORIZED", "unknown refresh token");
            }
        } else if (request.header("Authorization") != null) {
            known = user != null
                    && password != null
                    && basicHeader(user, password).equals(request.header("Authorization"));
            if (!known) {
                return error(401, "UNAUTHORIZED", "not you: " + request.header("Authorization"));
            }
        }
        var granted = new HashSet<String>();
        for (var parameter : parameters.queryParameterValues("scope")) {
            for (var scope : String.valueOf(parameter).split(" ")) {
                var colon = scope.lastIndexOf(':');
                for (var action : scope.substring(colon + 1).split(",")) {
                    if (known || action.equals("pull")) {
                        granted.add(scope.substring(0, colon) + ":" + action);
                    }
                }
            }
        }
        var token = "token-" + (tokens.size() + 1) + "-" + Long.toHexString(System.nanoTime());
        tokens.put(token, granted);
        var name = request.method.equals("POST") ? "access_token" : "token";
        return json(200, "{\"%s\":\"%s\",\"expires_in\":%d}".formatted(name, token, tokenSeconds));
    }

    private MockResponse getManifest(Seen request, String repository, String selector) {
        var stored = manifests.get(key(repository, selector));
        if (stored == null) {
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown");
        }
        if (request.method.equals("HEAD") && !answersHead) {
            return status(405);
        }
        return content(request, stored.bytes)
                .setHeader("Content-Type", stored.mediaType)
                .setHeader(
                        "Docker-Content-Digest",
                        namedDigest == null ? Digest.sha256(stored.bytes).toString() : namedDigest)
                .build();
    }

    private MockResponse putManifest(Seen request, String repository, String selector) {
        var mediaType = String.valueOf(request.header("Content-Type"));
        var digest = Digest.sha256(request.body);
        if (selector.startsWith("sha256:") && !selector.equals(digest.toString())) {
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        }
        manifests.put(repository + "@" + digest, new Stored(mediaType, request.body));
        manifests.put(key(repository, selector), new Stored(mediaType, request.body));
        var response = status(201, "Docker-Content-Digest", digest.toString()).newBuilder();
        var subject = Document.parse(request.body, mediaType).subject();
        if (referrersApi && subject != null) {
            response.setHeader("OCI-Subject", subject.digest());
        }
        return response.build();
    }

    private MockResponse deleteManifest(String repository, String selector) {
        if (!deletes) {
            return error(405, "UNSUPPORTED", "deletion is switched off");
        }
        return manifests.remove(key(repository, selector)) == null
                ? error(404, "MANIFEST_UNKNOWN", "manifest unknown")
                : status(202);
    }

    private MockResponse getBlob(Seen request, String repository, String digest) {
        var blob = blobs.get(repository + "@" + digest);
        if (blob == null) {
            return error(404, "BLOB_UNKNOWN", "blob unknown to registry");
        }
        if (redirects && request.method.equals("GET")) {
            return status(
                    307,
                    "Location",
                    scheme() + "://" + storageHost() + "/" + repository + "/" + digest + "?" + signature);
        }
        return blob(request, blob);
    }

    private MockResponse serveStorage(Seen request) {
        var slash = request.path.lastIndexOf('/');
        var blob = blobs.get(request.path.substring(1, slash) + "@" + request.path.substring(slash + 1));
        if (blob == null) {
            return status(404);
        }
        // Storage services refuse a request that carries a second credential.
        if (!signature.equals(request.query) || request.header("Authorization") != null) {
            return status(403);
        }
        return blob(request, blob);
    }

    private MockResponse blob(Seen request, byte[] blob) {
        var header = request.header("Range");
        if (header == null || !ranges) {
            return content(request, blob).build();
        }
        var range = RANGE.matcher(header);
        if (!range.matches()) {
            return status(400);
        }
        var first = Long.parseLong(range.group(1));
        if (first >= blob.length) {
            return status(416, "Content-Range", "bytes */" + blob.length);
        }
        var last =
                range.group(2).isEmpty() ? blob.length - 1 : Math.min(Long.parseLong(range.group(2)), blob.length - 1);
        return content(request, Arrays.copyOfRange(blob, (int) first, (int) last + 1))
                .code(206)
                .setHeader("Content-Range", "bytes " + first + "-" + last + "/" + blob.length)
                .build();
    }

    private MockResponse.Builder content(Seen request, byte[] bytes) {
        var response = new MockResponse.Builder().code(200).setHeader("Content-Type", MediaTypes.OCTET_STREAM);
        if (request.method.equals("HEAD")) {
            return response.setHeader("Content-Length", bytes.length);
        }
        return lengths
                ? response.body(new Buffer().write(bytes))
                : response.chunkedBody(new Buffer().write(bytes), 1000);
    }

    private MockResponse getReferrers(Seen request, String repository, String subject) {
        if (!referrersApi) {
            return error(404, "NOT_FOUND", "no such page");
        }
        var query = HttpUrl.get("http://parameters/?" + (request.query == null ? "" : request.query));
        var type = query.queryParameter("artifactType");
        var page = query.queryParameter("page") == null ? 0 : Integer.parseInt(query.queryParameter("page"));
        var found = new ArrayList<Descriptor>();
        manifests.forEach((key, stored) -> {
            if (key.startsWith(repository + "@")) {
                var document = Document.parse(stored.bytes, stored.mediaType);
                if (document.subject() != null
                        && document.subject().digest().toString().equals(subject)) {
                    var artifactType = document.artifactType() == null && document instanceof ImageManifest manifest
                            ? manifest.config().mediaType()
                            : document.artifactType();
                    if (!filters || type == null || type.equals(artifactType)) {
                        found.add(document.descriptor()
                                .withArtifactType(artifactType)
                                .withAnnotations(document.annotations()));
                    }
                }
            }
        });
        var from = endlessPages ? 0 : Math.min(found.size(), page * Math.min(pageSize, found.size()));
        var to = (int) Math.min(found.size(), (long) from + pageSize);
        var body = ImageIndex.of(found.subList(from, to), Map.of()).bytes();
        var response = new MockResponse.Builder()
                .setHeader("Content-Type", MediaTypes.OCI_INDEX)
                .body(new Buffer().write(body));
        if (filters && type != null) {
            response.setHeader("OCI-Filters-Applied", "artifactType");
        }
        if (endlessPages || to < found.size()) {
            response.setHeader(
                    "Link",
                    "</v2/%s/referrers/%s?page=%d%s>; rel=\"next\""
                            .formatted(repository, subject, page + 1, type == null ? "" : "&artifactType=" + type));
        }
        return response.build();
    }

    private MockResponse upload(Seen request, String repository, String rest) {
        if (request.method.equals("POST")) {
            return openUpload(request, repository);
        }
        var id = rest.substring(rest.lastIndexOf('/') + 1);
        var upload = uploads.get(id);
        if (upload == null) {
            return error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown");
        }
        // The state of the last answer must come back, as with signed upload URLs.
        if (request.query == null || !request.query.contains("_state=" + upload.state)) {
            return error(400, "BLOB_UPLOAD_INVALID", "the URL is not the one that was given");
        }
        return switch (request.method) {
            case "PATCH" -> patchUpload(request, repository, id, upload);
            case "GET" -> uploadState(204, repository, id, upload);
            case "PUT" -> commitUpload(request, repository, id, upload);
            case "DELETE" -> {
                uploads.remove(id);
                yield status(204);
            }
            default -> status(405);
        };
    }

    private MockResponse openUpload(Seen request, String repository) {
        var query = HttpUrl.get("http://parameters/?" + (request.query == null ? "" : request.query));
        var mounted = query.queryParameter("mount");
        if (mounted != null && mounts) {
            var blob = blobs.get(query.queryParameter("from") + "@" + mounted);
            if (blob != null) {
                blobs.put(repository + "@" + mounted, blob);
                return status(201, "Location", "/v2/" + repository + "/blobs/" + mounted);
            }
        }
        var id = "upload-" + ++uploadsBegun;
        var upload = new Upload();
        uploads.put(id, upload);
        var response = uploadState(202, repository, id, upload).newBuilder();
        if (smallestChunk > 0) {
            response.setHeader("OCI-Chunk-Min-Length", smallestChunk);
        }
        return response.build();
    }

    private MockResponse patchUpload(Seen request, String repository, String id, Upload upload) {
        var header = request.header("Content-Range");
        var range = CONTENT_RANGE.matcher(header == null ? "" : header);
        if (!range.matches()
                || Long.parseLong(range.group(1)) != upload.received.size()
                || Long.parseLong(range.group(2)) - Long.parseLong(range.group(1)) + 1 != request.body.length) {
            return uploadState(416, repository, id, upload);
        }
        if (halves > 0) {
            halves--;
            upload.received.write(request.body, 0, request.body.length / 2);
            return status(202)
                    .newBuilder()
                    .onResponseStart(new SocketEffect.CloseSocket())
                    .build();
        }
        upload.received.writeBytes(request.body);
        upload.state++;
        return uploadState(202, repository, id, upload);
    }

    private MockResponse commitUpload(Seen request, String repository, String id, Upload upload) {
        upload.received.writeBytes(request.body);
        var wanted = HttpUrl.get("http://parameters/?" + request.query).queryParameter("digest");
        uploads.remove(id);
        var content = upload.received.toByteArray();
        if (!Digest.sha256(content).toString().equals(wanted)) {
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        }
        blobs.put(repository + "@" + wanted, content);
        return status(201, "Location", "/v2/" + repository + "/blobs/" + wanted);
    }

    private static MockResponse uploadState(int code, String repository, String id, Upload upload) {
        return status(
                code,
                "Location",
                "/v2/" + repository + "/blobs/uploads/" + id + "?_state=" + upload.state + "&extra=a%2Fb",
                "Range",
                "0-" + Math.max(0, upload.received.size() - 1));
    }

    // --- small things

    private String url(String path) {
        return scheme() + "://" + host() + path;
    }

    private String scheme() {
        return certificate == null ? "http" : "https";
    }

    private static String key(String repository, String selector) {
        return repository + (selector.startsWith("sha256:") ? "@" : ":") + selector;
    }

    private static String basicHeader(String userName, String secret) {
        return "Basic "
                + Base64.getEncoder().encodeToString((userName + ":" + secret).getBytes(StandardCharsets.UTF_8));
    }

    private static MockResponse status(int code, String... headers) {
        var response = new MockResponse.Builder().code(code);
        for (var i = 0; i < headers.length; i += 2) {
            response.setHeader(headers[i], headers[i + 1]);
        }
        return response.build();
    }

    private static MockResponse json(int code, String body) {
        return new MockResponse.Builder()
                .code(code)
                .setHeader("Content-Type", "application/json")
                .body(body)
                .build();
    }

    private static MockResponse error(int code, String name, String message) {
        return json(code, "{\"errors\":[{\"code\":\"%s\",\"message\":\"%s\"}]}".formatted(name, message));
    }

    private static MockResponse cut(MockResponse honest, int afterBytes) {
        var body = bytes(honest);
        return honest.newBuilder()
                .body(new Buffer().write(body, 0, Math.min(afterBytes, body.length)))
                .setHeader("Content-Length", body.length)
                .onResponseEnd(SocketEffect.ShutdownConnection.INSTANCE)
                .build();
    }

    /** An answer to HEAD has the headers of the answer to GET and nothing after them. */
    private static MockResponse withoutBody(MockResponse response) {
        var length = response.getHeaders().get("Content-Length");
        var bare = response.newBuilder().body(new Buffer());
        return length == null
                ? bare.build()
                : bare.setHeader("Content-Length", length).build();
    }

    private static byte[] bytes(MockResponse response) {
        var buffer = new Buffer();
        var body = response.getBody();
        if (body != null) {
            try {
                body.writeTo(buffer);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return buffer.readByteArray();
    }

    private void fault(List<Fault> list, int times, String method, String pathPart, Answer answer) {
        put(() -> list.add(new Fault(times, method, pathPart, answer)));
    }

    private void put(Runnable change) {
        lock.lock();
        try {
            change.run();
        } finally {
            lock.unlock();
        }
    }
}
