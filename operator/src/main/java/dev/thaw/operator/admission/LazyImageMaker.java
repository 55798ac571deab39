package dev.thaw.operator.admission;

import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.HttpURLConnection;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes LazyImages that pods asked for, behind the request's back: admission does not wait for the API server. */
final class LazyImageMaker implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LazyImageMaker.class);
    private static final int AT_ONCE = 4;
    private static final long GRACE_SECONDS = 5;

    private final KubernetesClient client;
    private final Set<WantedImage> underWay = ConcurrentHashMap.newKeySet();
    private final Semaphore turns = new Semaphore(AT_ONCE);
    private final ExecutorService threads = Executors.newThreadPerTaskExecutor(
            Thread.ofVirtual().name("lazy-image-maker-", 0).factory());

    LazyImageMaker(KubernetesClient client) {
        this.client = client;
    }

    void make(WantedImage wanted) {
        if (underWay.add(wanted)) {
            threads.execute(() -> {
                try {
                    turns.acquire();
                    try {
                        create(wanted);
                    } finally {
                        turns.release();
                    }
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                } finally {
                    underWay.remove(wanted);
                }
            });
        }
    }

    private void create(WantedImage wanted) {
        try {
            client.resource(wanted.toLazyImage()).create();
            LOG.info("Made LazyImage {}/{} for {}", wanted.namespace(), wanted.name(), wanted.image());
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                LOG.warn(
                        "LazyImage {}/{} for {} could not be made: {}",
                        wanted.namespace(),
                        wanted.name(),
                        wanted.image(),
                        e.getMessage());
            }
        }
    }

    @Override
    public void close() {
        threads.shutdown();
        try {
            if (!threads.awaitTermination(GRACE_SECONDS, TimeUnit.SECONDS)) {
                threads.shutdownNow();
            }
        } catch (InterruptedException e) {
            threads.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }
}
