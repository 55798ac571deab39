package dev.thaw.agent.snapshot;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.thaw.oci.Digest;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;

/** As much of a registry as a pull needs, and a memory of which blobs were asked for. */
final class TinyRegistry implements AutoCloseable {
    private final HttpServer server;
    private final Map<String, byte[]> manifests = new ConcurrentHashMap<>();
    private final Map<String, byte[]> blobs = new ConcurrentHashMap<>();
    final List<String> fetched = new CopyOnWriteArrayList<>();

    TinyRegistry() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/v2/", this::answer);
        server.start();
    }

    /** Returns the reference to pull. */
    String publish(String repository, TestImage image) {
        manifests.put("/v2/" + repository + "/manifests/1", image.manifest);
        manifests.put("/v2/" + repository + "/manifests/" + Digest.sha256(image.manifest), image.manifest);
        image.blobs.forEach((digest, blob) -> blobs.put("/v2/" + repository + "/blobs/" + digest, blob));
        return "127.0.0.1:" + server.getAddress().getPort() + "/" + repository + ":1";
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            var path = exchange.getRequestURI().getPath();
            var manifest = manifests.get(path);
            var blob = blobs.get(path);
            if (path.equals("/v2/")) {
                exchange.sendResponseHeaders(200, -1);
            } else if (manifest != null) {
                exchange.getResponseHeaders().set("Content-Type", "application/vnd.oci.image.manifest.v1+json");
                exchange.getResponseHeaders()
                        .set("Docker-Content-Digest", Digest.sha256(manifest).toString());
                send(exchange, manifest);
            } else if (blob != null) {
                if (exchange.getRequestMethod().equals("GET")) {
                    fetched.add(path.substring(path.lastIndexOf('/') + 1));
                }
                send(exchange, blob);
            } else {
                exchange.sendResponseHeaders(404, -1);
            }
        }
    }

    private static void send(HttpExchange exchange, byte[] body) throws IOException {
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", Integer.toString(body.length));
            exchange.sendResponseHeaders(200, -1);
        } else {
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
