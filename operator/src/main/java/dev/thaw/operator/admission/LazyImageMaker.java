package dev.thaw.operator.admission;

import dev.thaw.operator.registry.ImageRegistry;
import dev.thaw.operator.registry.RegistrySecrets;
import dev.thaw.operator.registry.TargetReference;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes LazyImages that pods asked for, behind the request's back: admission waits neither for the API server nor for a
 * registry. One whose lazy image could not be published, such as that of a public sidecar, would fail for good in everybody's
 * sight: it is not made, and the next pods are told why.
 */
final class LazyImageMaker implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LazyImageMaker.class);
    private static final int AT_ONCE = 4;
    private static final long GRACE_SECONDS = 5;

    /** How long a registry's refusal holds; it may have been down, or get another account. */
    private static final Duration REFUSAL_HOLDS = Duration.ofMinutes(10);

    private static final int MOST_REFUSALS = 1000;

    private final KubernetesClient client;
    private final ImageRegistry registry;
    private final RegistrySecrets secrets;
    private final InstantSource clock;
    private final Map<WantedImage, Refusal> refusals = new ConcurrentHashMap<>();
    private final Set<WantedImage> underWay = ConcurrentHashMap.newKeySet();
    private final Semaphore turns = new Semaphore(AT_ONCE);
    private final ExecutorService threads = Executors.newThreadPerTaskExecutor(
            Thread.ofVirtual().name("lazy-image-maker-", 0).factory());

    private record Refusal(String why, Instant until) {}

    LazyImageMaker(KubernetesClient client, ImageRegistry registry, InstantSource clock) {
        this.client = client;
        this.registry = registry;
        this.clock = clock;
        secrets = new RegistrySecrets(client);
    }

    /** Why the image was not made when it was asked for last; empty when it is worth while to ask again. */
    Optional<String> refusal(WantedImage wanted) {
        return Optional.ofNullable(refusals.get(wanted))
                .filter(refusal -> clock.instant().isBefore(refusal.until))
                .map(Refusal::why);
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
        var image = wanted.toLazyImage();
        try {
            registry.tryPush(
                    TargetReference.of(image.getSpec()), secrets.pushing(image).config());
            refusals.remove(wanted);
            client.resource(image).create();
            LOG.info("Made LazyImage {}/{} for {}", wanted.namespace(), wanted.name(), wanted.image());
        } catch (IOException e) {
            LOG.info("No LazyImage in {} for {}: {}", wanted.namespace(), wanted.image(), e.getMessage());
            refuse(wanted, String.valueOf(e.getMessage()));
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

    private void refuse(WantedImage wanted, String why) {
        var now = clock.instant();
        if (refusals.size() >= MOST_REFUSALS) {
            refusals.values().removeIf(refusal -> !now.isBefore(refusal.until));
        }
        if (refusals.size() < MOST_REFUSALS) {
            refusals.put(wanted, new Refusal(why, now.plus(REFUSAL_HOLDS)));
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
