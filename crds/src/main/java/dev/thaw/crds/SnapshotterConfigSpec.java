package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.ResourceRequirements;
import io.fabric8.kubernetes.api.model.Toleration;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Where the agent runs and how it behaves. */
@ResourcePart
public record SnapshotterConfigSpec(
        @JsonPropertyDescription("Labels of the nodes that get the agent. Default: every Linux node.")
        Map<String, String> nodeSelector,

        @JsonPropertyDescription("Taints that the agent tolerates.")
        List<Toleration> tolerations,

        @Size(min = 1, max = 512) @JsonPropertyDescription("Image of the agent. Default: the one that came with the operator.")
        @Nullable String image,

        @JsonPropertyDescription("Requests and limits of the agent's container.") @Nullable ResourceRequirements resources,

        @Default("{}") @JsonPropertyDescription("How a change is rolled out.")
        UpdateStrategy updateStrategy,

        @Default("0")
        @Min(-1000000) @Max(1000000) @JsonPropertyDescription(
                "A node that several configurations select belongs to the one with the highest priority; of equals,"
                        + " to the oldest.")
        Integer priority,

        @Default("{}") @JsonPropertyDescription("The containerd of the nodes.")
        Containerd containerd,

        @Default("Auto")
        @JsonPropertyDescription("How images are mounted. Auto: Erofs where the kernel can, else Fuse.")
        DriverChoice driver,

        @Default("{}") @JsonPropertyDescription("The chunk cache on each node.")
        Cache cache,

        @Default("{}") @JsonPropertyDescription("How chunks are fetched.")
        Fetch fetch,

        @Size(max = 64) @JsonPropertyDescription("Endpoints that are asked before a registry itself.")
        List<Mirror> mirrors,

        @Size(max = 8) @JsonPropertyDescription(
                "Sources of registry credentials, asked in this order. Default: LazyImageSecrets alone.")
        List<Credential> credentials) {

    /** Every default. */
    public static final SnapshotterConfigSpec DEFAULT = new SnapshotterConfigSpec(
            Map.of(),
            List.of(),
            null,
            null,
            UpdateStrategy.DEFAULT,
            0,
            Containerd.DEFAULT,
            DriverChoice.AUTO,
            Cache.DEFAULT,
            Fetch.DEFAULT,
            List.of(),
            List.of());

    public SnapshotterConfigSpec {
        nodeSelector = nodeSelector == null ? Map.of() : Map.copyOf(nodeSelector);
        tolerations = tolerations == null ? List.of() : List.copyOf(tolerations);
        updateStrategy = updateStrategy == null ? UpdateStrategy.DEFAULT : updateStrategy;
        priority = priority == null ? 0 : priority;
        containerd = containerd == null ? Containerd.DEFAULT : containerd;
        driver = driver == null ? DriverChoice.AUTO : driver;
        cache = cache == null ? Cache.DEFAULT : cache;
        fetch = fetch == null ? Fetch.DEFAULT : fetch;
        mirrors = mirrors == null ? List.of() : List.copyOf(mirrors);
        credentials =
                credentials == null || credentials.isEmpty() ? List.of(Credential.DEFAULT) : List.copyOf(credentials);
    }

    /** A builder that holds the defaults. */
    public static Builder builder() {
        return DEFAULT.toBuilder();
    }

    /** How a change is rolled out over the nodes. */
    @ResourcePart
    @ValidationRule(
            value = "type(self.maxUnavailable) == int ? self.maxUnavailable > 0"
                    + " : self.maxUnavailable.matches('^([1-9][0-9]?|100)%$')",
            message = "maxUnavailable is a number above zero or a share such as 10%")
    public record UpdateStrategy(
            @Default("10%")
            @JsonPropertyDescription("Nodes, or share of the nodes, that may be without an agent at the same time.")
            IntOrString maxUnavailable) {
        /** A tenth of the nodes at a time. */
        public static final UpdateStrategy DEFAULT = new UpdateStrategy(new IntOrString("10%"));

        public UpdateStrategy {
            maxUnavailable = maxUnavailable == null ? new IntOrString("10%") : maxUnavailable;
        }
    }

    /** The containerd of the nodes. */
    @ResourcePart
    @ValidationRule(
            value = "self.install != 'None' || !has(self.restart) || self.restart == 'None'",
            message = "with install None there is nothing to restart containerd for: leave restart out")
    @ValidationRule(
            value = "!has(self.runtimeHandlers) || self.runtimeHandlers.all(h, !h.endsWith('-lazy'))",
            message = "runtimeHandlers name the handlers that get a lazy twin, not the twins")
    public record Containerd(
            @Default("/run/containerd/containerd.sock")
            @Size(max = 107) @Pattern("^/.+$") @JsonPropertyDescription("Socket of containerd on the node.")
            String socket,

            @Default("/etc/containerd/config.toml")
            @Size(max = 4096) @Pattern("^/.+$") @JsonPropertyDescription("Configuration file of containerd on the node.")
            String configPath,

            @Default("DropIn")
            @JsonPropertyDescription(
                    "DropIn: a file in a folder that the configuration imports, where containerd merges imports (2.0"
                            + " and newer), else as Edit. Edit: the file itself is changed, and given back when the"
                            + " agent goes. None: the site does it.")
            InstallMethod install,

            @JsonPropertyDescription(
                    "Systemd: the unit is restarted. Signal: the process is told to end and its supervisor starts it"
                            + " again. None: the site does it. Default: Systemd, or None with install None.")
            @Nullable RestartMethod restart,

            @Default("[\"runc\"]")
            @Size(min = 1, max = 16) @JsonPropertyDescription(
                    "Runtime handlers that get a lazy twin and a RuntimeClass for it: runc gets runc-lazy, nvidia gets"
                            + " nvidia-lazy. A handler that a node does not have is left out there.")
            List<@Pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$") @Size(max = 58) String> runtimeHandlers) {
        /** Debian's and most distributions' places, and the handler runc. */
        public static final Containerd DEFAULT = new Containerd(
                "/run/containerd/containerd.sock",
                "/etc/containerd/config.toml",
                InstallMethod.DROP_IN,
                null,
                List.of("runc"));

        public Containerd {
            socket = socket == null ? "/run/containerd/containerd.sock" : socket;
            configPath = configPath == null ? "/etc/containerd/config.toml" : configPath;
            install = install == null ? InstallMethod.DROP_IN : install;
            runtimeHandlers = runtimeHandlers == null ? List.of("runc") : List.copyOf(runtimeHandlers);
        }

        /** How containerd is restarted: what was asked for, or what goes with the way of installing. */
        public RestartMethod restartMethod() {
            if (restart != null) {
                return restart;
            }
            return install == InstallMethod.NONE ? RestartMethod.NONE : RestartMethod.SYSTEMD;
        }
    }

    /** The chunk cache of a node. */
    @ResourcePart
    @ValidationRule(
            value = "self.lowWatermark < self.highWatermark",
            message = "lowWatermark must be below highWatermark")
    public record Cache(
            @Default("/var/lib/thaw")
            @Size(max = 4096) @Pattern("^/.+$") @JsonPropertyDescription("Folder on the node for the cache, snapshots and records.")
            String path,

            @Default("50Gi")
            @Size(max = 20) @Pattern(ByteSize.PATTERN) @JsonPropertyDescription("Disk space that cached chunks may take, such as 50Gi.")
            String maxSize,

            @Default("90") @Min(2) @Max(100) @JsonPropertyDescription("Percent of maxSize at which eviction begins.")
            Integer highWatermark,

            @Default("75") @Min(1) @Max(99) @JsonPropertyDescription("Percent of maxSize down to which it goes.")
            Integer lowWatermark,

            @Default("2Gi")
            @Size(max = 20) @Pattern(ByteSize.PATTERN) @JsonPropertyDescription(
                    "Disk space that is left free on the cache's file system, whatever maxSize says: below it chunks are"
                            + " evicted, and what is fetched is not kept.")
            String minFree) {
        /** Fifty gibibytes under /var/lib/thaw. */
        public static final Cache DEFAULT = new Cache("/var/lib/thaw", "50Gi", 90, 75, "2Gi");

        public Cache {
            path = path == null ? "/var/lib/thaw" : path;
            maxSize = maxSize == null ? "50Gi" : maxSize;
            highWatermark = highWatermark == null ? 90 : highWatermark;
            lowWatermark = lowWatermark == null ? 75 : lowWatermark;
            minFree = minFree == null ? "2Gi" : minFree;
        }

        /** The disk space that cached chunks may take. */
        public ByteSize maxBytes() {
            return ByteSize.parse(maxSize);
        }
    }

    /** How chunks are fetched. */
    @ResourcePart
    @ValidationRule(
            value = "duration(self.timeout) <= duration(self.readTimeout)",
            message = "timeout (one request) must not exceed readTimeout (all tries of one read)")
    public record Fetch(
            @Default("16")
            @Min(1) @Max(512) @JsonPropertyDescription("Requests in flight at the same time, for all images of a node.")
            Integer parallelism,

            @Default("4Mi")
            @Size(max = 20) @Pattern(ByteSize.PATTERN) @JsonPropertyDescription("Size up to which neighbouring chunks are joined into one request.")
            String rangeSize,

            @Default("30s")
            @Size(max = 32) @Pattern(Durations.PATTERN) @JsonPropertyDescription("Time limit of one request.")
            String timeout,

            @Default("5")
            @Min(0) @Max(100) @JsonPropertyDescription("Further tries of one request with the same endpoint.")
            Integer retries,

            @Default("5m")
            @Size(max = 32) @Pattern(Durations.PATTERN) @JsonPropertyDescription("Time after which a read that nothing answers is dealt with as onFailure says.")
            String readTimeout,

            @Default("Block")
            @JsonPropertyDescription(
                    "Block: the read goes on waiting and is tried again. Error: the process gets an I/O error.")
            OnFailure onFailure,

            @Size(max = 20) @Pattern(ByteSize.PATTERN) @JsonPropertyDescription(
                    "Bytes a second, for all images of a node together, such as 200Mi. Default: no limit. Reads that"
                            + " wait go before prefetch and background.")
            @Nullable String bandwidth) {
        /** Sixteen requests of up to 4 MiB, no limit of bandwidth. */
        public static final Fetch DEFAULT = new Fetch(16, "4Mi", "30s", 5, "5m", OnFailure.BLOCK, null);

        public Fetch {
            parallelism = parallelism == null ? 16 : parallelism;
            rangeSize = rangeSize == null ? "4Mi" : rangeSize;
            timeout = timeout == null ? "30s" : timeout;
            retries = retries == null ? 5 : retries;
            readTimeout = readTimeout == null ? "5m" : readTimeout;
            onFailure = onFailure == null ? OnFailure.BLOCK : onFailure;
        }

        /** Size up to which neighbouring chunks are joined. */
        public ByteSize rangeBytes() {
            return ByteSize.parse(rangeSize);
        }

        /** Time limit of one request. */
        public Duration requestLimit() {
            return Durations.parse(timeout);
        }

        /** Time limit of one read. */
        public Duration readLimit() {
            return Durations.parse(readTimeout);
        }

        /** Bytes a second, if there is a limit. */
        public Optional<ByteSize> bandwidthLimit() {
            return Optional.ofNullable(bandwidth).map(ByteSize::parse);
        }
    }

    /** Endpoints that are asked before a registry. */
    @ResourcePart
    public record Mirror(
            @Required
            @Size(min = 1, max = 255) @Pattern("^(\\*|[A-Za-z0-9.-]+(:[0-9]+)?)$") @JsonPropertyDescription("Host of the registry, as in image references (docker.io), or * for every one.")
            String host,

            @Required
            @Size(min = 1, max = 8) @JsonPropertyDescription("Tried in this order; one that fails its health check is left out for a while.")
            List<Endpoint> endpoints,

            @Default("true") @JsonPropertyDescription("Whether the registry itself is asked when no endpoint answers.")
            Boolean fallback) {
        public Mirror {
            endpoints = endpoints == null ? List.of() : List.copyOf(endpoints);
            fallback = fallback == null || fallback;
        }
    }

    /** One endpoint of a mirror. */
    @ResourcePart
    public record Endpoint(
            @Required
            @Size(min = 1, max = 2048) @Pattern("^https?://[^\\s/]+(/\\S*)?$") @JsonPropertyDescription(
                    "Address, such as http://127.0.0.1:4001. $(NODE_IP) stands for the node's own address.")
            String url,

            @JsonPropertyDescription("Headers sent with each request to this endpoint.")
            Map<String, String> headers,

            @Default("/v2/")
            @Size(max = 1024) @Pattern("^/.*$") @JsonPropertyDescription("Path that answers below 500 while the endpoint is well.")
            String healthPath,

            @Default("30s")
            @Size(max = 32) @Pattern(Durations.PATTERN) @JsonPropertyDescription("How long an endpoint that failed is left alone before it is asked again.")
            String healthInterval) {
        public Endpoint {
            headers = headers == null ? Map.of() : Map.copyOf(headers);
            healthPath = healthPath == null ? "/v2/" : healthPath;
            healthInterval = healthInterval == null ? "30s" : healthInterval;
        }
    }

    /** One source of registry credentials. */
    @ResourcePart
    @ValidationRule(
            value = "has(self.credentialProvider) == (self.type == 'CredentialProvider')",
            message = "credentialProvider goes with type CredentialProvider, and only with it")
    @ValidationRule(
            value = "has(self.dockerConfig) == (self.type == 'DockerConfig')",
            message = "dockerConfig goes with type DockerConfig, and only with it")
    public record Credential(
            @Required
            @JsonPropertyDescription(
                    "LazyImageSecrets: the pull secrets of the LazyImage. CredentialProvider: the kubelet's plugins on"
                            + " the node. DockerConfig: a file on the node.")
            CredentialType type,

            @JsonPropertyDescription("For type CredentialProvider.") @Nullable CredentialProvider credentialProvider,

            @JsonPropertyDescription("For type DockerConfig.") @Nullable DockerConfig dockerConfig) {
        /** The pull secrets of the LazyImage. */
        public static final Credential DEFAULT = new Credential(CredentialType.LAZY_IMAGE_SECRETS, null, null);
    }

    /** The kubelet's credential provider plugins. */
    @ResourcePart
    public record CredentialProvider(
            @Required
            @Size(max = 4096) @Pattern("^/.+$") @JsonPropertyDescription("The kubelet's --image-credential-provider-config on the node.")
            String config,

            @Required
            @Size(max = 4096) @Pattern("^/.+$") @JsonPropertyDescription("The kubelet's --image-credential-provider-bin-dir on the node.")
            String binDir) {}

    /** A Docker configuration file. */
    @ResourcePart
    public record DockerConfig(
            @Required
            @Size(max = 4096) @Pattern("^/.+$") @JsonPropertyDescription("File on the node, such as /var/lib/kubelet/config.json.")
            String path) {}

    /** Collects what differs from the defaults. */
    public static final class Builder {
        private Map<String, String> nodeSelector = Map.of();
        private List<Toleration> tolerations = List.of();
        private @Nullable String image;
        private @Nullable ResourceRequirements resources;
        private UpdateStrategy updateStrategy = UpdateStrategy.DEFAULT;
        private Integer priority = 0;
        private Containerd containerd = Containerd.DEFAULT;
        private DriverChoice driver = DriverChoice.AUTO;
        private Cache cache = Cache.DEFAULT;
        private Fetch fetch = Fetch.DEFAULT;
        private List<Mirror> mirrors = List.of();
        private List<Credential> credentials = List.of();

        private Builder() {}

        public Builder nodeSelector(Map<String, String> nodeSelector) {
            this.nodeSelector = nodeSelector;
            return this;
        }

        public Builder tolerations(List<Toleration> tolerations) {
            this.tolerations = tolerations;
            return this;
        }

        public Builder image(@Nullable String image) {
            this.image = image;
            return this;
        }

        public Builder resources(@Nullable ResourceRequirements resources) {
            this.resources = resources;
            return this;
        }

        public Builder updateStrategy(UpdateStrategy updateStrategy) {
            this.updateStrategy = updateStrategy;
            return this;
        }

        public Builder priority(Integer priority) {
            this.priority = priority;
            return this;
        }

        public Builder containerd(Containerd containerd) {
            this.containerd = containerd;
            return this;
        }

        public Builder driver(DriverChoice driver) {
            this.driver = driver;
            return this;
        }

        public Builder cache(Cache cache) {
            this.cache = cache;
            return this;
        }

        public Builder fetch(Fetch fetch) {
            this.fetch = fetch;
            return this;
        }

        public Builder mirrors(List<Mirror> mirrors) {
            this.mirrors = mirrors;
            return this;
        }

        public Builder credentials(List<Credential> credentials) {
            this.credentials = credentials;
            return this;
        }

        public SnapshotterConfigSpec build() {
            return new SnapshotterConfigSpec(
                    nodeSelector,
                    tolerations,
                    image,
                    resources,
                    updateStrategy,
                    priority,
                    containerd,
                    driver,
                    cache,
                    fetch,
                    mirrors,
                    credentials);
        }
    }

    /** A builder that holds what this holds. */
    public Builder toBuilder() {
        return new Builder()
                .nodeSelector(nodeSelector)
                .tolerations(tolerations)
                .image(image)
                .resources(resources)
                .updateStrategy(updateStrategy)
                .priority(priority)
                .containerd(containerd)
                .driver(driver)
                .cache(cache)
                .fetch(fetch)
                .mirrors(mirrors)
                .credentials(credentials);
    }
}
