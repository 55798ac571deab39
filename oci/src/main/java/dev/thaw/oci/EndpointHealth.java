package dev.thaw.oci;

import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How the endpoints of a program's registries are, for all of its clients.
 *
 * <pre>
 *  mirror  well ──failed──▶ resting ──interval over, somebody reads──▶ looked at ──below 500──▶ well
 *                              ▲                                            └────else──▶ resting
 *  any     answered 429 or 503 with Retry-After: not asked until then
 * </pre>
 *
 * <p>Who reads never waits for a look at a mirror.
 */
final class EndpointHealth implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointHealth.class);
    private static final Duration LOOK_LIMIT = Duration.ofSeconds(10);
    /** Whatever somebody asks for, we look again after this. */
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(10);
    /**
     * What may be left of a pause that is over. Whoever waited as long as was asked did so by another clock than this one, and a
     * registry names seconds.
     */
    private static final Duration TOO_SHORT = Duration.ofMillis(20);

    private final Transport transport;
    private final InstantSource clock;
    private final ExecutorService looks = Executors.newVirtualThreadPerTaskExecutor();
    private final Map<Endpoint, Rest> resting = new ConcurrentHashMap<>();
    private final Map<Endpoint, Instant> notBefore = new ConcurrentHashMap<>();

    EndpointHealth(Transport transport, InstantSource clock) {
        this.transport = transport;
        this.clock = clock;
    }

    private record Rest(Instant until, boolean looking) {}

    /** Passes this mirror over until it has been seen well. A registry itself never rests: there is nothing behind it. */
    void rest(Endpoint endpoint) {
        if (endpoint.isMirror()) {
            var until = clock.instant().plus(endpoint.health().interval());
            if (resting.put(endpoint, new Rest(until, false)) == null) {
                LOG.warn("mirror {} failed and is passed over until {} answers", endpoint, endpoint.healthCheck());
            }
        }
    }

    /** Whether to read from it now. One that has rested long enough is looked at meanwhile. */
    boolean isWell(Endpoint endpoint) {
        var rest = resting.get(endpoint);
        if (rest != null
                && !rest.looking
                && !clock.instant().isBefore(rest.until)
                && resting.replace(endpoint, rest, new Rest(rest.until, true))) {
            try {
                looks.execute(() -> look(endpoint));
            } catch (RejectedExecutionException e) {
                LOG.debug("{} is not looked at: the client is closed", endpoint);
            }
        }
        return rest == null;
    }

    private void look(Endpoint mirror) {
        var action = new Action("look at", mirror.toString());
        try (var response =
                transport.send(action, mirror.request(mirror.healthCheck()).build(), LOOK_LIMIT)) {
            if (response.code() < 500) {
                resting.remove(mirror);
                LOG.info("mirror {} is well again", mirror);
                return;
            }
        } catch (IOException | RuntimeException e) {
            LOG.debug("mirror {} is still away: {}", mirror, e.getMessage());
        }
        resting.put(mirror, new Rest(clock.instant().plus(mirror.health().interval()), false));
    }

    /** Takes note of what an endpoint asked for when it refused. */
    void heed(Endpoint endpoint, RegistryException refusal) {
        refusal.retryAfter().filter(Duration::isPositive).ifPresent(wait -> {
            var until = clock.instant().plus(wait.compareTo(LONGEST_PAUSE) < 0 ? wait : LONGEST_PAUSE);
            notBefore.merge(endpoint, until, (one, other) -> one.isAfter(other) ? one : other);
        });
    }

    /** How long the endpoint has asked to be left alone from now on. */
    Optional<Duration> pause(Endpoint endpoint) {
        var until = notBefore.get(endpoint);
        if (until == null) {
            return Optional.empty();
        }
        var left = Duration.between(clock.instant(), until);
        if (left.compareTo(TOO_SHORT) > 0) {
            return Optional.of(left);
        }
        notBefore.remove(endpoint, until);
        return Optional.empty();
    }

    /** Ends looks under way. */
    @Override
    public void close() {
        looks.shutdownNow();
    }
}
