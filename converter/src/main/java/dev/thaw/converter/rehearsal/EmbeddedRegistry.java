package dev.thaw.converter.rehearsal;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import dev.thaw.oci.Digest;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;

/**
 * An OCI registry on loopback that keeps its content in a folder: what the distribution specification asks of pull,
 * push, Range and referrers, for one user who is trusted.
 *
 * <pre>
 *   blobs/HEX                           content by its sha256
 *   manifests/REPOSITORY/@HEX           a manifest by its sha256
 *   manifests/REPOSITORY/TAG            the manifest that a tag stands for
 *   types/HEX                           the media type of that manifest
 *   uploads/UUID                        what has arrived so far
 * </pre>
 */
public final class EmbeddedRegistry implements AutoCloseable {
    /** Names become paths: no part of one begins with a dot. */
    private static final Pattern ROUTE = Pattern.compile(
            "/v2/((?:[a-z0-9][a-z0-9._-]*/)+)(manifests|blobs|referrers)/((?:uploads/)?(?:[a-zA-Z0-9_][a-zA-Z0-9._:-]*)?)");

    private static final Pattern RANGE = Pattern.compile("bytes=(\\d+)-(\\d*)");
    private static final int WAITING_CONNECTIONS = 64;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path folder;
    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final AtomicLong sentBytes = new AtomicLong();
    private final AtomicLong rangeRequests = new AtomicLong();

    /** Serves what the folder holds, which is made if it is not there; without TLS. */
    public EmbeddedRegistry(Path folder) throws IOException {
        this(folder, HttpServer.create(anyPort(), WAITING_CONNECTIONS));
    }

    /** The same over TLS. */
    EmbeddedRegistry(Path folder, SSLContext tls) throws IOException {
        this(folder, over(tls));
    }

    private static InetSocketAddress anyPort() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    }

    private static HttpServer over(SSLContext tls) throws IOException {
        var server = HttpsServer.create(anyPort(), WAITING_CONNECTIONS);
        server.setHttpsConfigurator(new HttpsConfigurator(tls));
        return server;
    }

    private EmbeddedRegistry(Path folder, HttpServer server) throws IOException {
        this.folder = folder;
        this.server = server;
        for (var name : new String[] {"blobs", "manifests", "types", "uploads"}) {
            Files.createDirectories(folder.resolve(name));
        }
        server.setExecutor(threads);
        server.createContext("/v2/", this::answer);
        server.start();
    }

    /** Where it is: host and port. */
    public String host() {
        return "127.0.0.1:" + server.getAddress().getPort();
    }

    /** Bytes of blobs that were sent to anybody so far. */
    public long sentBytes() {
        return sentBytes.get();
    }

    /** How many of the requests for blobs asked for a part. */
    public long rangeRequests() {
        return rangeRequests.get();
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            try {
                route(exchange);
            } catch (Refused refused) {
                send(exchange, refused.status, "application/json", refused.body());
            } catch (IllegalArgumentException e) {
                send(exchange, 400, "application/json", new Refused(400, "DIGEST_INVALID").body());
            }
        }
    }

    private void route(HttpExchange exchange) throws IOException, Refused {
        var path = exchange.getRequestURI().getPath();
        if (path.equals("/v2/")) {
            send(exchange, 200, "application/json", "{}".getBytes(StandardCharsets.UTF_8));
            return;
        }
        var match = ROUTE.matcher(path);
        if (!match.matches()) {
            throw new Refused(404, "NAME_UNKNOWN");
        }
        var repository = match.group(1).substring(0, match.group(1).length() - 1);
        var name = match.group(3);
        switch (match.group(2)) {
            case "manifests" -> manifests(exchange, repository, name);
            case "referrers" -> referrers(exchange, repository, Digest.parse(name));
            default -> {
                if (name.startsWith("uploads/")) {
                    uploads(exchange, repository, name.substring("uploads/".length()));
                } else {
                    blob(exchange, Digest.parse(name));
                }
            }
        }
    }

    private void manifests(HttpExchange exchange, String repository, String name) throws IOException, Refused {
        var directory = folder.resolve("manifests").resolve(repository);
        var file = directory.resolve(name.contains(":") ? byDigest(Digest.parse(name)) : name);
        switch (exchange.getRequestMethod()) {
            case "PUT" -> {
                var body = exchange.getRequestBody().readAllBytes();
                var digest = Digest.sha256(body);
                if (name.contains(":") && !name.equals(digest.toString())) {
                    throw new Refused(400, "DIGEST_INVALID");
                }
                Files.createDirectories(directory);
                var type = exchange.getRequestHeaders().getFirst("Content-Type");
                Files.writeString(folder.resolve("types").resolve(digest.hex()), type == null ? "" : type);
                for (var target : new Path[] {directory.resolve(byDigest(digest)), file}) {
                    var part = directory.resolve("." + UUID.randomUUID());
                    Files.write(part, body);
                    Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                }
                var headers = exchange.getResponseHeaders();
                headers.set("Docker-Content-Digest", digest.toString());
                headers.set("Location", "/v2/" + repository + "/manifests/" + digest);
                var subject = JSON.readTree(body).path("subject").path("digest").textValue();
                if (subject != null) {
                    headers.set("OCI-Subject", subject);
                }
                exchange.sendResponseHeaders(201, -1);
            }
            case "DELETE" -> {
                if (!Files.deleteIfExists(file)) {
                    throw new Refused(404, "MANIFEST_UNKNOWN");
                }
                exchange.sendResponseHeaders(202, -1);
            }
            default -> {
                if (!Files.exists(file)) {
                    throw new Refused(404, "MANIFEST_UNKNOWN");
                }
                var body = Files.readAllBytes(file);
                var digest = Digest.sha256(body);
                exchange.getResponseHeaders().set("Docker-Content-Digest", digest.toString());
                send(exchange, 200, Files.readString(folder.resolve("types").resolve(digest.hex())), body);
            }
        }
    }

    private static String byDigest(Digest digest) {
        return "@" + digest.hex();
    }

    private void referrers(HttpExchange exchange, String repository, Digest subject) throws IOException {
        var index = JSON.createObjectNode();
        index.put("schemaVersion", 2).put("mediaType", "application/vnd.oci.image.index.v1+json");
        var found = index.putArray("manifests");
        var directory = folder.resolve("manifests").resolve(repository);
        if (Files.isDirectory(directory)) {
            try (var files = Files.list(directory)) {
                for (var file : files.filter(f -> f.getFileName().toString().startsWith("@"))
                        .sorted()
                        .toList()) {
                    var body = Files.readAllBytes(file);
                    var manifest = JSON.readTree(body);
                    if (subject.toString()
                            .equals(manifest.path("subject").path("digest").textValue())) {
                        ObjectNode entry = found.addObject();
                        entry.put("digest", Digest.sha256(body).toString()).put("size", body.length);
                        for (var field : new String[] {"mediaType", "artifactType", "annotations"}) {
                            if (manifest.has(field)) {
                                entry.set(field, manifest.get(field));
                            }
                        }
                    }
                }
            }
        }
        send(exchange, 200, "application/vnd.oci.image.index.v1+json", JSON.writeValueAsBytes(index));
    }

    private void blob(HttpExchange exchange, Digest digest) throws IOException, Refused {
        var file = folder.resolve("blobs").resolve(digest.hex());
        if (!Files.exists(file)) {
            throw new Refused(404, "BLOB_UNKNOWN");
        }
        long size = Files.size(file);
        long from = 0;
        long to = size - 1;
        var range = exchange.getRequestHeaders().getFirst("Range");
        if (range != null) {
            var match = RANGE.matcher(range);
            if (!match.matches() || Long.parseLong(match.group(1)) >= size) {
                throw new Refused(416, "RANGE_INVALID");
            }
            from = Long.parseLong(match.group(1));
            to = match.group(2).isEmpty() ? to : Math.min(to, Long.parseLong(match.group(2)));
            exchange.getResponseHeaders().set("Content-Range", "bytes %d-%d/%d".formatted(from, to, size));
            rangeRequests.incrementAndGet();
        }
        var headers = exchange.getResponseHeaders();
        headers.set("Docker-Content-Digest", digest.toString());
        headers.set("Content-Type", "application/octet-stream");
        headers.set("Accept-Ranges", "bytes");
        if (exchange.getRequestMethod().equals("HEAD")) {
            headers.set("Content-Length", Long.toString(size));
            exchange.sendResponseHeaders(200, -1);
            return;
        }
        long length = to - from + 1;
        exchange.sendResponseHeaders(range == null ? 200 : 206, length == 0 ? -1 : length);
        try (var in = Files.newInputStream(file);
                OutputStream out = exchange.getResponseBody()) {
            in.skipNBytes(from);
            var buffer = new byte[64 << 10];
            for (long left = length; left > 0; ) {
                int count = in.read(buffer, 0, (int) Math.min(buffer.length, left));
                if (count < 0) {
                    break;
                }
                out.write(buffer, 0, count);
                sentBytes.addAndGet(count);
                left -= count;
            }
        }
    }

    private void uploads(HttpExchange exchange, String repository, String upload) throws IOException, Refused {
        var base = "/v2/" + repository + "/blobs/uploads/";
        var headers = exchange.getResponseHeaders();
        var method = exchange.getRequestMethod();
        if (method.equals("POST")) {
            var id = UUID.randomUUID().toString();
            Files.createFile(folder.resolve("uploads").resolve(id));
            headers.set("Location", base + id);
            exchange.sendResponseHeaders(202, -1);
            return;
        }
        var id = UUID.fromString(upload).toString();
        var file = folder.resolve("uploads").resolve(id);
        if (!Files.exists(file)) {
            throw new Refused(404, "BLOB_UPLOAD_UNKNOWN");
        }
        if (method.equals("DELETE")) {
            Files.delete(file);
            exchange.sendResponseHeaders(204, -1);
            return;
        }
        try (var out = Files.newOutputStream(file, StandardOpenOption.APPEND)) {
            exchange.getRequestBody().transferTo(out);
        }
        headers.set("Location", base + id);
        headers.set("Range", "0-" + Math.max(0, Files.size(file) - 1));
        if (!method.equals("PUT")) {
            exchange.sendResponseHeaders(method.equals("PATCH") ? 202 : 204, -1);
            return;
        }
        var query = String.valueOf(exchange.getRequestURI().getQuery());
        var claimed = Digest.parse(query.replaceFirst("^(?:.*&)?digest=([^&]*).*$", "$1"));
        if (!digest(file).equals(claimed.hex())) {
            throw new Refused(400, "DIGEST_INVALID");
        }
        Files.move(file, folder.resolve("blobs").resolve(claimed.hex()), StandardCopyOption.REPLACE_EXISTING);
        headers.set("Location", "/v2/" + repository + "/blobs/" + claimed);
        headers.set("Docker-Content-Digest", claimed.toString());
        exchange.sendResponseHeaders(201, -1);
    }

    private static String digest(Path file) throws IOException {
        try (var in = Files.newInputStream(file)) {
            var hash = MessageDigest.getInstance("SHA-256");
            var buffer = new byte[1 << 20];
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                hash.update(buffer, 0, count);
            }
            return HexFormat.of().formatHex(hash.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private static void send(HttpExchange exchange, int status, String type, byte[] body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", type);
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", Integer.toString(body.length));
            exchange.sendResponseHeaders(status, -1);
            return;
        }
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }

    /** An answer that is no success, with the code that the specification has for it. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1L;

        private final int status;

        Refused(int status, String code) {
            super(code);
            this.status = status;
        }

        byte[] body() {
            return "{\"errors\":[{\"code\":\"%s\"}]}".formatted(getMessage()).getBytes(StandardCharsets.UTF_8);
        }
    }
}
