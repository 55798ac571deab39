package dev.thaw.agent.rehearsal;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.MediaTypes;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;

/** A registry on loopback, over TLS, with one repository: as much of OCI's distribution specification as reading takes. */
final class PlayedRegistry implements AutoCloseable {
    static final String REPOSITORY = "rehearsal";
    /** Of the index of all images. */
    static final String TAG = "lazy";

    private static final Pattern RANGE = Pattern.compile("bytes=(\\d+)-(\\d+)");
    private static final int WAITING_CONNECTIONS = 16;

    private final HttpsServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final Map<String, byte[]> contents = new ConcurrentHashMap<>();

    PlayedRegistry(LoopbackCertificate certificate) throws IOException, GeneralSecurityException {
        server = HttpsServer.create(
                new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), 0), WAITING_CONNECTIONS);
        server.setHttpsConfigurator(new HttpsConfigurator(certificate.server()));
        server.setExecutor(threads);
        server.createContext("/v2/", this::answer);
        server.start();
    }

    String host() {
        return "127.0.0.1:" + server.getAddress().getPort();
    }

    void publish(PlayedImage image) {
        contents.put("/v2/%s/manifests/%s".formatted(REPOSITORY, image.artifact()), image.manifest());
        image.blobs().forEach((digest, blob) -> contents.put("/v2/%s/blobs/%s".formatted(REPOSITORY, digest), blob));
    }

    /** Publishes them under one name, as the converter does with one. */
    void publish(List<PlayedImage> images) {
        images.forEach(this::publish);
        var index = ImageIndex.of(images.stream().map(PlayedImage::descriptor).toList(), Map.of());
        contents.put("/v2/%s/manifests/%s".formatted(REPOSITORY, TAG), index.bytes());
    }

    private static String type(String path) {
        if (path.endsWith("/manifests/" + TAG)) {
            return MediaTypes.OCI_INDEX;
        }
        return path.contains("/manifests/") ? MediaTypes.OCI_MANIFEST : MediaTypes.OCTET_STREAM;
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            var path = exchange.getRequestURI().getPath();
            var content = contents.get(path);
            if (content == null) {
                exchange.sendResponseHeaders(path.equals("/v2/") ? 200 : 404, -1);
                return;
            }
            var headers = exchange.getResponseHeaders();
            headers.set("Docker-Content-Digest", Digest.sha256(content).toString());
            headers.set("Content-Type", type(path));
            var asked = exchange.getRequestHeaders().getFirst("Range");
            var range = RANGE.matcher(asked == null ? "" : asked);
            int from = range.matches() ? Integer.parseInt(range.group(1)) : 0;
            int to = range.matches()
                    ? (int) Math.min(Long.parseLong(range.group(2)) + 1, content.length)
                    : content.length;
            if (range.matches()) {
                headers.set("Content-Range", "bytes %d-%d/%d".formatted(from, to - 1, content.length));
            }
            exchange.sendResponseHeaders(range.matches() ? 206 : 200, to - from);
            exchange.getResponseBody().write(content, from, to - from);
        }
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
