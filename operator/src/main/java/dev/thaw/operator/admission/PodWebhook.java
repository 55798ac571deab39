package dev.thaw.operator.admission;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import dev.thaw.operator.registry.ImageRegistry;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.admission.v1.AdmissionResponse;
import io.fabric8.kubernetes.api.model.admission.v1.AdmissionReview;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import io.javaoperatorsdk.webhook.admission.AdmissionController;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The HTTPS server that the API server asks about pods. Serves on every replica of the operator. */
public final class PodWebhook implements AutoCloseable {
    /** Path of the endpoint. */
    public static final String PATH = "/mutate-pods";

    private static final Logger LOG = LoggerFactory.getLogger(PodWebhook.class);

    /** An etcd object has at most 1.5 MiB; a review holds it and little more. */
    private static final int LARGEST_REVIEW = 8 << 20;

    /** Well within the chart's timeoutSeconds, so that the answer is ours and not the API server's. */
    private static final Duration DEADLINE = Duration.ofSeconds(3);

    private static final int BACKLOG = 128;
    private static final int GRACE_SECONDS = 3;

    private final AdmissionSettings settings;
    private final @Nullable InformedCluster cluster;
    private final @Nullable LazyImageMaker maker;
    private final PodAdmission admission;
    private final AdmissionController<Pod> controller;
    private final KubernetesSerialization json = new KubernetesSerialization();
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private @Nullable HttpsServer server;

    /** A webhook that knows the cluster by watching it. */
    public PodWebhook(
            KubernetesClient client, AdmissionSettings settings, ImageRegistry registries, MeterRegistry registry) {
        this.settings = settings;
        this.maker = new LazyImageMaker(client, registries, InstantSource.system());
        this.cluster = new InformedCluster(client, settings, maker::refusal);
        this.admission = new PodAdmission(cluster, settings, maker::make, registry);
        this.controller = new AdmissionController<>(admission);
    }

    PodWebhook(AdmissionSettings settings, PodAdmission admission) {
        this.settings = settings;
        this.cluster = null;
        this.maker = null;
        this.admission = admission;
        this.controller = new AdmissionController<>(admission);
    }

    /**
     * Begins to watch the cluster and to listen.
     *
     * @throws IOException when the port cannot be bound
     */
    public void start(SSLContext tls) throws IOException {
        if (cluster != null) {
            cluster.start();
        }
        var listening = HttpsServer.create(new InetSocketAddress(settings.port()), BACKLOG);
        listening.setHttpsConfigurator(new HttpsConfigurator(tls));
        listening.setExecutor(threads);
        listening.createContext(PATH, this::serve);
        listening.start();
        server = listening;
        LOG.info("The webhook listens on port {}", listening.getAddress().getPort());
    }

    /** True once the port is bound and the cluster has been seen. */
    public boolean isReady() {
        return server != null && (cluster == null || cluster.isSynced());
    }

    int port() {
        return server == null ? 0 : server.getAddress().getPort();
    }

    private void serve(HttpExchange exchange) throws IOException {
        try (exchange) {
            if (!"POST".equals(exchange.getRequestMethod())
                    || !PATH.equals(exchange.getRequestURI().getPath())) {
                exchange.sendResponseHeaders(405, -1);
                return;
            }
            var body = exchange.getRequestBody().readNBytes(LARGEST_REVIEW + 1);
            if (body.length > LARGEST_REVIEW) {
                exchange.sendResponseHeaders(413, -1);
                return;
            }
            var review = read(body);
            if (review == null) {
                exchange.sendResponseHeaders(400, -1);
                return;
            }
            var answer = json.asJson(answer(review)).getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
        }
    }

    private @Nullable AdmissionReview read(byte[] body) {
        try {
            var review = json.unmarshal(new String(body, StandardCharsets.UTF_8), AdmissionReview.class);
            return review == null || review.getRequest() == null ? null : review;
        } catch (RuntimeException e) {
            LOG.warn("A request is no AdmissionReview: {}", e.getMessage());
            return null;
        }
    }

    private AdmissionReview answer(AdmissionReview review) {
        var uid = review.getRequest().getUid();
        var work = threads.submit(() -> controller.handle(review));
        try {
            return work.get(DEADLINE.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return review(uid, admission.failed(uid, e));
        } catch (ExecutionException e) {
            return review(uid, admission.failed(uid, Objects.requireNonNullElse(e.getCause(), e)));
        } catch (TimeoutException e) {
            work.cancel(true);
            return review(uid, admission.failed(uid, e));
        }
    }

    private static AdmissionReview review(String uid, AdmissionResponse response) {
        response.setUid(uid);
        var review = new AdmissionReview();
        review.setResponse(response);
        return review;
    }

    /** Ends what is under way within a few seconds. */
    @Override
    public void close() {
        if (server != null) {
            server.stop(GRACE_SECONDS);
        }
        threads.shutdownNow();
        if (maker != null) {
            maker.close();
        }
        if (cluster != null) {
            cluster.close();
        }
    }
}
