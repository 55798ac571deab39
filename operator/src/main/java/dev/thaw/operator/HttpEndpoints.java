package dev.thaw.operator;

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

/** {@code /metrics} for Prometheus, {@code /healthz} and {@code /readyz} for the kubelet. */
final class HttpEndpoints implements AutoCloseable {
    private static final int BACKLOG = 64;

    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

    /**
     * Listens at once.
     *
     * @param unhealthy sentences about what will not mend by itself; empty when all is well
     * @param unready sentences about what is not there yet
     */
    HttpEndpoints(
            int port,
            PrometheusMeterRegistry registry,
            Supplier<List<String>> unhealthy,
            Supplier<List<String>> unready)
            throws IOException {
        server = HttpServer.create(new InetSocketAddress(port), BACKLOG);
        server.setExecutor(threads);
        server.createContext(
                "/metrics",
                exchange -> answer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", registry.scrape()));
        server.createContext("/healthz", exchange -> check(exchange, unhealthy.get()));
        server.createContext("/readyz", exchange -> check(exchange, unready.get()));
        server.start();
    }

    int port() {
        return server.getAddress().getPort();
    }

    private static void check(HttpExchange exchange, List<String> faults) throws IOException {
        answer(
                exchange,
                faults.isEmpty() ? 200 : 503,
                "text/plain; charset=utf-8",
                faults.isEmpty() ? "ok\n" : String.join("\n", faults) + "\n");
    }

    private static void answer(HttpExchange exchange, int status, String type, String text) throws IOException {
        try (exchange) {
            var body = text.getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", type);
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
