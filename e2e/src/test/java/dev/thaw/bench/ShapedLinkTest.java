package dev.thaw.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class ShapedLinkTest {
    private static final Link FAST = new Link("fast", 100_000_000_000L, Duration.ofMillis(1));

    private final byte[] content = new byte[3_000_000];
    private HttpServer registry;
    private ShapedLink link;
    private HttpClient client;

    @BeforeEach
    void start() throws IOException {
        new Random(5).nextBytes(content);
        registry = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        registry.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        registry.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content);
            exchange.close();
        });
        registry.start();
        link = new ShapedLink(0, registry.getAddress(), FAST);
        client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    }

    @AfterEach
    void end() throws IOException {
        client.close();
        link.close();
        registry.stop(0);
    }

    private byte[] get() throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + link.port() + "/"))
                .timeout(Duration.ofMinutes(1))
                .build();
        return client.send(request, BodyHandlers.ofByteArray()).body();
    }

    @Test
    void carriesBytesUnchangedAndCountsRequestsAndBytes() throws Exception {
        assertArrayEquals(content, get());
        assertArrayEquals(content, get());

        assertEquals(2, link.traffic().requests());
        long headers = link.traffic().bytes() - 2L * content.length;
        assertTrue(headers > 0 && headers < 2000, "headers are " + headers + " bytes");
    }

    @Test
    void takesAtLeastAsLongAsItsBandwidthAllows() throws Exception {
        var slow = new Link("slow", 80_000_000, Duration.ofMillis(10));
        link.become(slow);
        long began = System.nanoTime();

        get();

        var least = slow.timeFor(content.length).minus(Duration.ofMillis(5)).plus(slow.roundTrip());
        var took = Duration.ofNanos(System.nanoTime() - began);
        assertTrue(took.compareTo(least) >= 0, "took " + took + ", at least " + least);
    }

    @Test
    void letsNothingThroughWhileItIsCut() throws Exception {
        link.cut();
        assertThrows(IOException.class, this::get);

        link.mend();
        assertArrayEquals(content, get());
    }
}
