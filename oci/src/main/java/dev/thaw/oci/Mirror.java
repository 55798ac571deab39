package dev.thaw.oci;

import java.net.URI;
import java.time.Duration;
import java.util.Map;
import java.util.Set;

/**
 * An endpoint that is tried before a registry itself for reading: a pull-through cache, Dragonfly, Spegel.
 *
 * <p>Content fetched by digest is checked and may come from anybody. What a tag means is a matter of trust, so a mirror
 * is asked only if that is said. The registry's credentials are never shown to a mirror; a mirror that wants some gets
 * those that the credential source holds for the mirror's own host.
 *
 * @param endpoint {@code http://…} or {@code https://…}, optionally with a path, to which {@code /v2/…} is added
 * @param headers sent with each request to it, for example {@code X-Dragonfly-Registry}
 * @param resolvesTags whether it is also asked what a tag means
 * @param health when it is asked again after it failed
 */
public record Mirror(URI endpoint, Map<String, String> headers, boolean resolvesTags, Health health) {
    /** @throws IllegalArgumentException if the endpoint is not an HTTP URL of a host, or carries credentials or a query */
    public Mirror {
        headers = Map.copyOf(headers);
        if (endpoint.getScheme() == null
                || !Set.of("http", "https").contains(endpoint.getScheme())
                || endpoint.getHost() == null
                || endpoint.getRawUserInfo() != null
                || endpoint.getRawQuery() != null
                || endpoint.getRawFragment() != null) {
            throw new IllegalArgumentException("a mirror reads http[s]://host[:port][/path], without user and query");
        }
    }

    public Mirror(URI endpoint, Map<String, String> headers, boolean resolvesTags) {
        this(endpoint, headers, resolvesTags, Health.DEFAULT);
    }

    public Mirror(URI endpoint) {
        this(endpoint, Map.of(), false);
    }

    /**
     * How a mirror that failed comes back: it is left alone for the interval, then its path is asked, and once that
     * answers below 500 the mirror is read from again.
     *
     * @param path absolute, below the mirror's host
     * @param interval between looks at a mirror that is away
     */
    public record Health(String path, Duration interval) {
        /** The API's root, each half minute. */
        public static final Health DEFAULT = new Health("/v2/", Duration.ofSeconds(30));

        /** @throws IllegalArgumentException if the path is not absolute, or the interval not positive */
        public Health {
            if (!path.startsWith("/") || !interval.isPositive()) {
                throw new IllegalArgumentException("a mirror's health wants an absolute path and a positive interval");
            }
        }
    }

    /** Headers may carry a secret, so they are counted, not shown. */
    @Override
    public String toString() {
        return "Mirror[" + endpoint + ", " + headers.size() + " headers, resolvesTags=" + resolvesTags + "]";
    }
}
