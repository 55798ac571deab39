package dev.thaw.oci;

import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where to read from: the mirrors of a registry in their order, then the registry. A mirror that failed rests for a
 * while, longer each time it fails again.
 */
final class Endpoints {
    private static final Logger LOG = LoggerFactory.getLogger(Endpoints.class);
    private static final Duration FIRST_REST = Duration.ofSeconds(5);
    private static final Duration LONGEST_REST = Duration.ofMinutes(5);

    private final RegistrySettings settings;
    private final Retries retries;
    private final InstantSource clock;
    private final Map<Endpoint, Rest> resting = new ConcurrentHashMap<>();

    Endpoints(RegistrySettings settings, Retries retries, InstantSource clock) {
        this.settings = settings;
        this.retries = retries;
        this.clock = clock;
    }

    private record Rest(Instant until, Duration length) {}

    @FunctionalInterface
    interface Reading<T> {
        T from(Endpoint endpoint) throws IOException;
    }

    /** The registry itself; writing goes nowhere else. */
    Endpoint origin(Reference reference) {
        return Endpoint.origin(reference.registry(), settings.plainHttpHosts().contains(reference.registry()));
    }

    /**
     * Reads from the first endpoint that delivers. A mirror is tried once; the registry as often as the settings say, and
     * its failure is the one that is reported.
     */
    <T> T read(Action action, Reference reference, boolean byTag, Reading<T> reading) throws IOException {
        for (var mirror : mirrors(reference)) {
            if ((byTag && !mirror.resolvesTags()) || isResting(mirror)) {
                continue;
            }
            try {
                var read = reading.from(mirror);
                resting.remove(mirror);
                return read;
            } catch (RegistryException e) {
                LOG.debug("{} did not deliver, going on: {}", mirror, e.getMessage());
                if (!(e instanceof RegistryException.NotFound)) {
                    rest(mirror);
                }
            }
        }
        var origin = origin(reference);
        return retries.call(action, () -> reading.from(origin));
    }

    /** Passes this mirror over for a while. The registry itself never rests: there is nothing behind it. */
    void rest(Endpoint endpoint) {
        if (endpoint.isMirror()) {
            resting.compute(endpoint, (mirror, before) -> {
                var length = before == null ? FIRST_REST : before.length.multipliedBy(2);
                length = length.compareTo(LONGEST_REST) < 0 ? length : LONGEST_REST;
                return new Rest(clock.instant().plus(length), length);
            });
        }
    }

    private boolean isResting(Endpoint mirror) {
        var rest = resting.get(mirror);
        return rest != null && clock.instant().isBefore(rest.until);
    }

    private List<Endpoint> mirrors(Reference reference) {
        var endpoints = new ArrayList<Endpoint>();
        for (var mirror : settings.mirrors().getOrDefault(reference.registry(), List.of())) {
            endpoints.add(Endpoint.mirror(mirror, reference.registry()));
        }
        return endpoints;
    }
}
