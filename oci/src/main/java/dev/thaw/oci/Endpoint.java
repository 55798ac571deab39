package dev.thaw.oci;

import java.util.Map;
import java.util.Optional;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/**
 * One place where a registry's content is served: the registry itself, or a mirror.
 *
 * @param base the URL that {@code v2/…} is added to
 * @param credentialHost the host whose credentials may be shown here
 * @param namespace for a mirror, the registry it stands for (sent as {@code ns}, as containerd does); null for the
 *     registry itself
 * @param headers sent with each request
 * @param resolvesTags whether its word on what a tag means is taken
 * @param health how a mirror comes back after a failure
 */
record Endpoint(
        HttpUrl base,
        String credentialHost,
        @Nullable String namespace,
        Map<String, String> headers,
        boolean resolvesTags,
        Mirror.Health health) {
    /** The hub's API has another name than the hub. */
    private static final String HUB_API = "registry-1.docker.io";

    static Endpoint origin(String registry, boolean plainHttp) {
        var host = registry.equals(Reference.DOCKER_HUB) ? HUB_API : registry;
        return new Endpoint(
                HttpUrl.get((plainHttp ? "http://" : "https://") + host),
                registry,
                null,
                Map.of(),
                true,
                Mirror.Health.DEFAULT);
    }

    static Endpoint mirror(Mirror mirror, String registry) {
        var base = HttpUrl.get(mirror.endpoint().toString());
        return new Endpoint(base, authority(base), registry, mirror.headers(), mirror.resolvesTags(), mirror.health());
    }

    boolean isMirror() {
        return namespace != null;
    }

    /** What a mirror's health is judged by. */
    HttpUrl healthCheck() {
        return base.newBuilder().encodedPath(health.path()).build();
    }

    HttpUrl manifest(Reference reference) {
        return url(reference, "manifests/" + selector(reference));
    }

    HttpUrl blob(Reference repository, Digest digest) {
        return url(repository, "blobs/" + digest);
    }

    HttpUrl uploads(Reference repository) {
        return url(repository, "blobs/uploads/");
    }

    HttpUrl referrers(Reference repository, Digest subject) {
        return url(repository, "referrers/" + subject);
    }

    /** A request with this endpoint's own headers. */
    Request.Builder request(HttpUrl url) {
        var builder = new Request.Builder().url(url);
        headers.forEach(builder::header);
        return builder;
    }

    /** A header, or nothing. */
    static String header(Response response, String name) {
        var value = response.header(name);
        return value == null ? "" : value;
    }

    /** Where a {@code Location} or {@code Link} leads; nothing if it is no HTTP URL. */
    static Optional<HttpUrl> resolve(HttpUrl from, @Nullable String location) {
        return location == null ? Optional.empty() : Optional.ofNullable(from.resolve(location));
    }

    static boolean sameOrigin(HttpUrl one, HttpUrl other) {
        return one.scheme().equals(other.scheme()) && one.host().equals(other.host()) && one.port() == other.port();
    }

    private HttpUrl url(Reference repository, String rest) {
        var builder = base.newBuilder()
                .addPathSegment("v2")
                .addPathSegments(repository.repository())
                .addPathSegments(rest);
        if (namespace != null) {
            builder.addQueryParameter("ns", namespace);
        }
        return builder.build();
    }

    private static String selector(Reference reference) {
        return reference
                .selector()
                .orElseThrow(() -> new IllegalArgumentException(
                        reference + " names a repository; a manifest needs a tag or a digest"));
    }

    private static String authority(HttpUrl url) {
        var host = url.host().indexOf(':') >= 0 ? "[" + url.host() + "]" : url.host();
        return url.port() == HttpUrl.defaultPort(url.scheme()) ? host : host + ":" + url.port();
    }

    @Override
    public String toString() {
        return Action.bare(base);
    }
}
