package dev.thaw.agent.registry;

import dev.thaw.agent.config.AgentSettings;
import dev.thaw.agent.image.ImageEntry;
import dev.thaw.agent.image.RegistryAccess;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Mirror;
import dev.thaw.oci.Mirrors;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/**
 * One client for each image: each has its own credentials, so that no token of one serves another. They share connections,
 * and what is known of mirrors and of registries that want to be left alone.
 */
public final class RegistryClients implements RegistryAccess, AutoCloseable {
    private final RegistryClient shared;
    private final Function<ImageEntry, List<CredentialSource>> credentials;
    private final Map<Digest, RegistryClient> clients = new ConcurrentHashMap<>();

    /**
     * @param credentials where credentials for an image may come from; the first that knows any is taken
     * @throws IOException when a CA in the settings cannot be read
     */
    public RegistryClients(AgentSettings settings, Function<ImageEntry, List<CredentialSource>> credentials)
            throws IOException {
        this.shared = new RegistryClient(registrySettings(settings), CredentialSource.anonymous());
        this.credentials = credentials;
    }

    @Override
    public RegistryClient client(ImageEntry image) {
        return clients.computeIfAbsent(image.artifact(), digest -> {
            var own = CredentialSource.firstOf(credentials.apply(image));
            return image.plainHttp() ? shared.as(own, image.repository().registry()) : shared.as(own);
        });
    }

    /** A client for whatever is no image's own, over the same connections. */
    public RegistryClient client(CredentialSource credentials) {
        return shared.as(credentials);
    }

    /** How registries are reached, as the configuration says. */
    public static RegistrySettings registrySettings(AgentSettings settings) throws IOException {
        var result = RegistrySettings.defaults();
        result = result.withTimeouts(
                        result.connectTimeout(),
                        settings.fetch().timeout().duration(),
                        settings.fetch().timeout().duration())
                .withRetries(settings.fetch().retries(), result.firstPause(), result.longestPause());
        for (var registry : settings.registries()) {
            if (registry.plainHttp()) {
                result = result.withPlainHttp(registry.host());
            }
            if (registry.caFile().isPresent()) {
                result = result.withAuthorities(registry.caFile().get());
            }
            if (registry.ca().isPresent()) {
                result = withAuthorities(result, registry.host(), registry.ca().get());
            }
        }
        for (var mirror : settings.mirrors()) {
            var endpoints = new ArrayList<Mirror>();
            for (var endpoint : mirror.endpoints()) {
                endpoints.add(new Mirror(
                        URI.create(endpoint.url()),
                        endpoint.headers(),
                        false,
                        new Mirror.Health(
                                endpoint.healthPath(), endpoint.healthInterval().duration())));
            }
            result = result.withMirrors(mirror.host(), new Mirrors(endpoints, mirror.fallback()));
        }
        return result;
    }

    private static RegistrySettings withAuthorities(RegistrySettings settings, String host, String pem)
            throws IOException {
        try {
            return settings.withAuthorities(pem);
        } catch (IllegalArgumentException e) {
            throw new IOException("the CA of registry %s is not PEM: %s".formatted(host, e.getMessage()), e);
        }
    }

    @Override
    public void close() {
        shared.close();
    }
}
