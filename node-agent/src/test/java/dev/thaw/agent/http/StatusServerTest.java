package dev.thaw.agent.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class StatusServerTest {
    private final PrometheusMeterRegistry metrics = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final List<String> missing = new ArrayList<>();
    private final HttpClient client = HttpClient.newHttpClient();
    private StatusServer server;

    @BeforeEach
    void start() throws IOException {
        server = new StatusServer(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), metrics, () -> List.copyOf(missing));
    }

    @AfterEach
    void end() {
        server.close();
        client.close();
    }

    @Test
    void showsWhatPrometheusCollects() throws Exception {
        metrics.counter("thaw.things").increment(3);
        assertThat(get("/metrics").body()).contains("thaw_things_total 3.0");
    }

    @Test
    void isHealthyBeforeItIsReady() throws Exception {
        missing.add("the agent is starting");
        assertThat(get("/healthz").statusCode()).isEqualTo(200);
        assertThat(get("/readyz").statusCode()).isEqualTo(503);
        assertThat(get("/readyz").body()).isEqualTo("the agent is starting\n");
        missing.clear();
        assertThat(get("/readyz").statusCode()).isEqualTo(200);
    }

    @Test
    void answersNothingButReads() throws Exception {
        var post = HttpRequest.newBuilder(uri("/metrics"))
                .POST(HttpRequest.BodyPublishers.ofString("x"))
                .build();
        assertThat(client.send(post, HttpResponse.BodyHandlers.ofString()).statusCode())
                .isEqualTo(405);
    }

    private HttpResponse<String> get(String path) throws Exception {
        return client.send(HttpRequest.newBuilder(uri(path)).build(), HttpResponse.BodyHandlers.ofString());
    }

    private URI uri(String path) {
        return URI.create("http://127.0.0.1:" + server.port() + path);
    }
}
