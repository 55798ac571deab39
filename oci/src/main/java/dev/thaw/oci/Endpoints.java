package dev.thaw.oci;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Where to read from: the mirrors of a registry in their order, then the registry. */
final class Endpoints {
    private static final Logger LOG = LoggerFactory.getLogger(Endpoints.class);

    private final RegistrySettings settings;
    private final Retries retries;
    private final EndpointHealth health;

    Endpoints(RegistrySettings settings, Retries retries, EndpointHealth health) {
        this.settings = settings;
        this.retries = retries;
        this.health = health;
    }

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
        var mirrors = settings.mirrorsOf(reference.registry());
        if (!mirrors.fallback()) {
            return retries.call(action, () -> first(action, ways(reference, byTag), reading));
        }
        for (var mirror : readable(mirrors, reference, byTag)) {
            try {
                return reading.from(mirror);
            } catch (RegistryException e) {
                failed(mirror, e);
            }
        }
        var origin = origin(reference);
        return retries.call(action, () -> fromOrigin(action, origin, reading));
    }

    /**
     * Reads once, from the first endpoint that delivers, beginning with one of those that are well.
     *
     * @param way how many of them to leave for last: another number is another way, where there is another
     */
    <T> T readOnce(Action action, Reference reference, int way, Reading<T> reading) throws IOException {
        var ways = ways(reference, false);
        var turned = new ArrayList<Endpoint>();
        for (var i = 0; i < ways.size(); i++) {
            turned.add(ways.get((i + way) % ways.size()));
        }
        return first(action, turned, reading);
    }

    private <T> T first(Action action, List<Endpoint> endpoints, Reading<T> reading) throws IOException {
        RegistryException failure = null;
        for (var endpoint : endpoints) {
            try {
                return endpoint.isMirror() ? reading.from(endpoint) : fromOrigin(action, endpoint, reading);
            } catch (RegistryException e) {
                failed(endpoint, e);
                failure = worse(failure, e, endpoint);
            }
        }
        if (failure == null) {
            throw new IllegalStateException("no endpoint to read from");
        }
        throw failure;
    }

    /** The registry's own word counts most; without it, that something may pass. */
    private static RegistryException worse(
            @Nullable RegistryException before, RegistryException now, Endpoint endpoint) {
        return before == null || !endpoint.isMirror() || now.isTransient() ? now : before;
    }

    private <T> T fromOrigin(Action action, Endpoint origin, Reading<T> reading) throws IOException {
        var pause = health.pause(origin);
        if (pause.isPresent()) {
            throw action.held(origin, pause.get());
        }
        try {
            return reading.from(origin);
        } catch (RegistryException e) {
            health.heed(origin, e);
            throw e;
        }
    }

    private void failed(Endpoint endpoint, RegistryException e) {
        LOG.debug("{} did not deliver, going on: {}", endpoint, e.getMessage());
        health.heed(endpoint, e);
        if (!(e instanceof RegistryException.NotFound)) {
            health.rest(endpoint);
        }
    }

    /** Passes this mirror over for a while. */
    void rest(Endpoint endpoint) {
        health.rest(endpoint);
    }

    /** Everything to read from, in order; never empty. */
    private List<Endpoint> ways(Reference reference, boolean byTag) {
        var mirrors = settings.mirrorsOf(reference.registry());
        var ways = readable(mirrors, reference, byTag);
        if (mirrors.fallback()) {
            ways.add(origin(reference));
        } else if (ways.isEmpty()) {
            // All rest. There is nobody else to ask, so they are asked all the same.
            mirrors.endpoints().forEach(mirror -> ways.add(Endpoint.mirror(mirror, reference.registry())));
        }
        return ways;
    }

    private List<Endpoint> readable(Mirrors mirrors, Reference reference, boolean byTag) {
        var found = new ArrayList<Endpoint>();
        for (var mirror : mirrors.endpoints()) {
            var endpoint = Endpoint.mirror(mirror, reference.registry());
            boolean trusted = !byTag || mirror.resolvesTags() || !mirrors.fallback();
            if (trusted && health.isWell(endpoint) && health.pause(endpoint).isEmpty()) {
                found.add(endpoint);
            }
        }
        return found;
    }
}
