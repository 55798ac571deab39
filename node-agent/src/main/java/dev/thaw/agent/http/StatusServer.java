package dev.thaw.agent.http;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;

/**
 * What the agent tells whoever asks by HTTP: {@code /metrics} for Prometheus, {@code /healthz} (the process lives) and
 * {@code /readyz} (containerd can use it; else 503 and the reasons, one a line).
 */
public final class StatusServer implements AutoCloseable {
    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

    /**
     * @param unreadiness what is missing before containerd can use the agent; empty when it is ready
     * @throws IOException when the address cannot be bound
     */
    public StatusServer(InetSocketAddress address, PrometheusMeterRegistry metrics, Supplier<List<String>> unreadiness)
            throws IOException {
        server = HttpServer.create(address, 16);
        server.setExecutor(threads);
        server.createContext(
                "/metrics",
                exchange -> answer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", metrics.scrape()));
        server.createContext("/healthz", exchange -> answer(exchange, 200, "text/plain; charset=utf-8", "ok\n"));
        server.createContext("/readyz", exchange -> {
            var missing = unreadiness.get();
            answer(
                    exchange,
                    missing.isEmpty() ? 200 : 503,
                    "text/plain; charset=utf-8",
                    missing.isEmpty() ? "ok\n" : String.join("\n", missing) + "\n");
        });
        server.start();
    }

    /** The port that was bound; of interest where 0 was asked for. */
    public int port() {
        return server.getAddress().getPort();
    }

    private static void answer(HttpExchange exchange, int status, String type, String body) throws IOException {
        try (exchange) {
            boolean readOnly = List.of("GET", "HEAD").contains(exchange.getRequestMethod());
            var bytes = (readOnly ? body : "only GET is answered here\n").getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", type);
            boolean hasBody = !exchange.getRequestMethod().equals("HEAD");
            exchange.sendResponseHeaders(readOnly ? status : 405, hasBody ? bytes.length : -1);
            if (hasBody) {
                exchange.getResponseBody().write(bytes);
            }
        }
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
