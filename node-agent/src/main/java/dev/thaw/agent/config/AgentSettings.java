package dev.thaw.agent.config;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The agent's configuration file, {@code agent.yaml}. Every key has a default; an unknown key is an error, so that a
 * misspelt one is noticed. {@code docs/agent.yaml} explains each key.
 *
 * @param root where records, bootstraps, snapshots and mounts live; must be on a file system that can hold an overlay's
 *     upper directory
 * @param socket the unix socket on which containerd finds the snapshotter
 * @param holder the unix socket of the process that keeps mounts alive while the agent restarts
 * @param traces where an agent without an operator keeps what first starts read
 */
public record AgentSettings(
        Path root,
        Path socket,
        Path holder,
        Http http,
        Driver driver,
        Containerd containerd,
        Cache cache,
        Fetch fetch,
        Path traces,
        List<Mirror> mirrors,
        List<Registry> registries,
        Optional<NodeServiceAddress> nodeService,
        List<CredentialsFrom> credentials,
        List<String> images) {

    /** Which kind of mount serves images; {@code Auto} takes the first that works here. */
    public enum Driver {
        Auto,
        Erofs,
        Fuse
    }

    /** How containerd is told of the snapshotter. */
    public enum Install {
        /** A file of our own, where containerd's configuration imports one; else as {@link #Edit}. */
        DropIn,
        /** A marked block at the end of containerd's own configuration file. */
        Edit,
        /** Not at all: somebody else configures containerd. */
        None
    }

    /** How containerd is made to read its changed configuration. */
    public enum Restart {
        Systemd,
        /** SIGTERM, for a containerd that something else starts again. */
        Signal,
        None
    }

    /** What a reader of a lazy file sees once {@link Fetch#readTimeout} has passed. */
    public enum OnFailure {
        Block,
        Error
    }

    public record Http(String address, int port) {}

    public record Containerd(
            Path socket, Path configPath, Install install, Restart restart, List<String> runtimeHandlers) {}

    /**
     * @param highWatermark share of {@code maxSize} at which chunks are evicted
     * @param lowWatermark share down to which they are
     * @param minFree what is left free of the file system
     */
    public record Cache(Path path, ByteSize maxSize, double highWatermark, double lowWatermark, ByteSize minFree) {}

    public record Fetch(
            int parallelism,
            ByteSize rangeSize,
            Span timeout,
            int retries,
            Span readTimeout,
            OnFailure onFailure,
            Optional<ByteSize> bandwidth) {}

    /**
     * @param host of the registry, or {@code *} for every one
     * @param fallback whether the registry itself is asked when no endpoint delivers
     */
    public record Mirror(String host, List<Endpoint> endpoints, boolean fallback) {}

    /**
     * @param headers sent with each request to it
     * @param healthPath answers below 500 while the endpoint is well
     * @param healthInterval how long an endpoint that failed is left alone before it is looked at
     */
    public record Endpoint(String url, Map<String, String> headers, String healthPath, Span healthInterval) {}

    /**
     * @param caFile certificates to trust beside the system's, as a file
     * @param ca the same, as PEM text
     */
    public record Registry(String host, boolean plainHttp, Optional<Path> caFile, Optional<String> ca) {}

    /**
     * @param address host:port of the operator's NodeService
     * @param serverName the name in its certificate, where the address is not that
     */
    public record NodeServiceAddress(String address, Optional<String> serverName, Path caFile, Path tokenFile) {}

    /** Where credentials come from. */
    public sealed interface CredentialsFrom {
        /** The pull secrets of the LazyImage, by way of the operator. */
        record LazyImageSecrets() implements CredentialsFrom {}

        /**
         * Kubelet's credential provider plugins on the node.
         *
         * @param config kubelet's {@code --image-credential-provider-config}
         * @param binDir kubelet's {@code --image-credential-provider-bin-dir}
         */
        record CredentialProvider(Path config, Path binDir) implements CredentialsFrom {}

        /** A docker {@code config.json}. */
        record DockerConfig(Path path) implements CredentialsFrom {}
    }

    /** Settings as they are when the file says nothing. */
    public static AgentSettings defaults() {
        return new FileForm().settings();
    }

    /**
     * Reads the file.
     *
     * @throws IOException when it cannot be read, holds an unknown key or a value that is out of range; the message
     *     names the key
     */
    public static AgentSettings load(Path file) throws IOException {
        return parse(Files.readString(file), file.toString(), System.getenv());
    }

    static AgentSettings parse(String yaml, String name, Map<String, String> environment) throws IOException {
        try {
            var tree = MAPPER.readTree(yaml);
            boolean empty = tree == null || tree.isMissingNode() || tree.isNull();
            return (empty ? new FileForm() : MAPPER.treeToValue(tree, FileForm.class))
                    .settings()
                    .onThisNode(environment);
        } catch (JsonMappingException e) {
            throw new IOException("%s: %s: %s".formatted(name, keyOf(e), e.getOriginalMessage()), e);
        } catch (JacksonException e) {
            throw new IOException("%s is not YAML: %s".formatted(name, e.getOriginalMessage()), e);
        } catch (IllegalArgumentException e) {
            throw new IOException("%s: %s".formatted(name, e.getMessage()), e);
        }
    }

    /** {@code $(NODE_IP)} in an endpoint is the node's own address: one file serves many nodes. */
    private static Endpoint onThisNode(Endpoint endpoint, Map<String, String> environment) {
        if (!endpoint.url().contains(NODE_ADDRESS)) {
            return endpoint;
        }
        var address = environment.get("NODE_IP");
        if (address == null || address.isBlank()) {
            throw new IllegalArgumentException(
                    NODE_ADDRESS + " is used, and the environment variable NODE_IP does not say what it is");
        }
        var written = address.indexOf(':') >= 0 ? "[" + address + "]" : address;
        return new Endpoint(
                endpoint.url().replace(NODE_ADDRESS, written),
                endpoint.headers(),
                endpoint.healthPath(),
                endpoint.healthInterval());
    }

    private AgentSettings onThisNode(Map<String, String> environment) {
        return new AgentSettings(
                root,
                socket,
                holder,
                http,
                driver,
                containerd,
                cache,
                fetch,
                traces,
                mirrors.stream()
                        .map(mirror -> new Mirror(
                                mirror.host(),
                                mirror.endpoints().stream()
                                        .map(endpoint -> onThisNode(endpoint, environment))
                                        .toList(),
                                mirror.fallback()))
                        .toList(),
                registries,
                nodeService,
                credentials,
                images);
    }

    private static String keyOf(JsonMappingException e) {
        var key = new StringBuilder();
        for (var part : e.getPath()) {
            if (part.getFieldName() != null) {
                key.append(key.isEmpty() ? "" : ".").append(part.getFieldName());
            }
        }
        return key.isEmpty() ? "the file" : "key " + key;
    }

    private static final String NODE_ADDRESS = "$(NODE_IP)";

    private static final ObjectMapper MAPPER = YAMLMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(MapperFeature.ACCEPT_CASE_INSENSITIVE_ENUMS)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .serializationInclusion(JsonInclude.Include.NON_NULL)
            .build();

    /** The file as it is written: everything may be absent. Absence becomes a default in one place, {@link #settings}. */
    private record FileForm(
            @Nullable String root,
            @Nullable String socket,
            @Nullable String holder,
            @Nullable HttpForm http,
            @Nullable Driver driver,
            @Nullable ContainerdForm containerd,
            @Nullable CacheForm cache,
            @Nullable FetchForm fetch,
            @Nullable String traces,
            @Nullable List<MirrorForm> mirrors,
            @Nullable List<RegistryForm> registries,
            @Nullable NodeServiceForm nodeService,
            @Nullable List<CredentialsForm> credentials,
            @Nullable List<String> images) {

        FileForm() {
            this(null, null, null, null, null, null, null, null, null, null, null, null, null, null);
        }

        AgentSettings settings() {
            var home = Path.of(or(root, "/var/lib/thaw"));
            return new AgentSettings(
                    home,
                    Path.of(or(socket, "/run/thaw/agent.sock")),
                    Path.of(or(holder, "/run/thaw/holder.sock")),
                    or(http, new HttpForm(null, null)).settings(),
                    or(driver, Driver.Auto),
                    or(containerd, new ContainerdForm(null, null, null, null, null))
                            .settings(),
                    or(cache, new CacheForm(null, null, null, null, null)).settings(home),
                    or(fetch, new FetchForm(null, null, null, null, null, null, null))
                            .settings(),
                    optionalPath(traces).orElse(home.resolve("traces")),
                    or(mirrors, List.<MirrorForm>of()).stream()
                            .map(MirrorForm::settings)
                            .toList(),
                    or(registries, List.<RegistryForm>of()).stream()
                            .map(RegistryForm::settings)
                            .toList(),
                    Optional.ofNullable(nodeService).map(NodeServiceForm::settings),
                    or(credentials, List.of(CredentialsForm.DEFAULT)).stream()
                            .map(CredentialsForm::settings)
                            .toList(),
                    List.copyOf(or(images, List.of())));
        }
    }

    private record HttpForm(
            @Nullable String address, @Nullable Integer port) {
        Http settings() {
            int number = or(port, 9464);
            require(number >= 0 && number <= 65535, "http.port", "is not a port: " + number);
            return new Http(or(address, "0.0.0.0"), number);
        }
    }

    private record ContainerdForm(
            @Nullable String socket,
            @Nullable String configPath,
            @Nullable Install install,
            @Nullable Restart restart,
            @Nullable List<String> runtimeHandlers) {
        Containerd settings() {
            return new Containerd(
                    Path.of(or(socket, "/run/containerd/containerd.sock")),
                    Path.of(or(configPath, "/etc/containerd/config.toml")),
                    or(install, Install.DropIn),
                    or(restart, Restart.Systemd),
                    List.copyOf(or(runtimeHandlers, List.of("runc"))));
        }
    }

    private record CacheForm(
            @Nullable String path,
            @Nullable String maxSize,
            @Nullable Double highWatermark,
            @Nullable Double lowWatermark,
            @Nullable String minFree) {
        Cache settings(Path root) {
            double high = or(highWatermark, 0.9);
            double low = or(lowWatermark, 0.8);
            require(0 < low && low < high && high <= 1, "cache", "needs 0 < lowWatermark < highWatermark <= 1");
            return new Cache(
                    optionalPath(path).orElse(root.resolve("cache")),
                    ByteSize.parse(or(maxSize, "50Gi")),
                    high,
                    low,
                    ByteSize.parse(or(minFree, "2Gi")));
        }
    }

    private record FetchForm(
            @Nullable Integer parallelism,
            @Nullable String rangeSize,
            @Nullable String timeout,
            @Nullable Integer retries,
            @Nullable String readTimeout,
            @Nullable OnFailure onFailure,
            @Nullable String bandwidth) {
        Fetch settings() {
            int width = or(parallelism, 16);
            require(width >= 1 && width <= 512, "fetch.parallelism", "is not within 1 and 512: " + width);
            int tries = or(retries, 5);
            require(tries >= 0 && tries <= 100, "fetch.retries", "is not within 0 and 100: " + tries);
            return new Fetch(
                    width,
                    ByteSize.parse(or(rangeSize, "8Mi")),
                    Span.parse(or(timeout, "30s")),
                    tries,
                    Span.parse(or(readTimeout, "5m")),
                    or(onFailure, OnFailure.Block),
                    Optional.ofNullable(bandwidth)
                            .filter(text -> !text.isBlank())
                            .map(ByteSize::parse));
        }
    }

    private record MirrorForm(
            @Nullable String host,
            @Nullable List<EndpointForm> endpoints,
            @Nullable Boolean fallback) {
        Mirror settings() {
            var places = or(endpoints, List.<EndpointForm>of()).stream()
                    .map(EndpointForm::settings)
                    .toList();
            boolean back = or(fallback, true);
            require(back || !places.isEmpty(), "mirrors.fallback", "is false, so the mirror needs an endpoint");
            return new Mirror(given(host, "mirrors.host"), places, back);
        }
    }

    private record EndpointForm(
            @Nullable String url,
            @Nullable Map<String, String> headers,
            @Nullable String healthPath,
            @Nullable String healthInterval) {
        Endpoint settings() {
            return new Endpoint(
                    given(url, "mirrors.endpoints.url"),
                    Map.copyOf(or(headers, Map.of())),
                    or(healthPath, "/v2/"),
                    Span.parse(or(healthInterval, "30s")));
        }
    }

    private record RegistryForm(
            @Nullable String host,
            @Nullable Boolean plainHttp,
            @Nullable String caFile,
            @Nullable String ca) {
        Registry settings() {
            return new Registry(
                    given(host, "registries.host"),
                    or(plainHttp, false),
                    optionalPath(caFile),
                    Optional.ofNullable(ca).filter(pem -> !pem.isBlank()));
        }
    }

    private record NodeServiceForm(
            @Nullable String address,
            @Nullable String serverName,
            @Nullable String caFile,
            @Nullable String tokenFile) {
        NodeServiceAddress settings() {
            return new NodeServiceAddress(
                    given(address, "nodeService.address"),
                    Optional.ofNullable(serverName).filter(text -> !text.isBlank()),
                    Path.of(or(caFile, "/etc/thaw/ca/ca.crt")),
                    Path.of(or(tokenFile, "/var/run/secrets/thaw/token")));
        }
    }

    private enum CredentialsType {
        LazyImageSecrets,
        CredentialProvider,
        DockerConfig
    }

    private record CredentialsForm(
            @Nullable CredentialsType type,
            @Nullable String config,
            @Nullable String binDir,
            @Nullable String path) {
        static final CredentialsForm DEFAULT = new CredentialsForm(CredentialsType.LazyImageSecrets, null, null, null);

        CredentialsFrom settings() {
            return switch (type) {
                case LazyImageSecrets -> new CredentialsFrom.LazyImageSecrets();
                case CredentialProvider ->
                    new CredentialsFrom.CredentialProvider(
                            Path.of(given(config, "credentials.config")), Path.of(given(binDir, "credentials.binDir")));
                case DockerConfig -> new CredentialsFrom.DockerConfig(Path.of(given(path, "credentials.path")));
                case null -> throw new IllegalArgumentException("key credentials.type is missing");
            };
        }
    }

    private static <T> T or(@Nullable T given, T otherwise) {
        return Objects.requireNonNullElse(given, otherwise);
    }

    private static Optional<Path> optionalPath(@Nullable String text) {
        return Optional.ofNullable(text).filter(value -> !value.isBlank()).map(Path::of);
    }

    private static String given(@Nullable String value, String key) {
        if (value == null || value.isBlank()) {
            throw new IllegalArgumentException("key " + key + " is missing");
        }
        return value;
    }

    private static void require(boolean holds, String key, String message) {
        if (!holds) {
            throw new IllegalArgumentException("key " + key + " " + message);
        }
    }
}
