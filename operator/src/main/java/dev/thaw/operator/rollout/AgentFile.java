package dev.thaw.operator.rollout;

import dev.thaw.crds.Durations;
import dev.thaw.crds.SnapshotterConfigSpec;
import dev.thaw.operator.registry.RegistryEntry;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The agent's configuration file, {@code agent.yaml}, out of a spec. Keys that the agent does not know stop it. */
final class AgentFile {
    static final String NAME = "agent.yaml";

    /** Folder of the file and of the authorities, in the agent's container. */
    static final String FOLDER = "/etc/thaw";

    static final String TOKEN_FOLDER = "/var/run/secrets/thaw";
    static final String TOKEN = "token";
    static final String AUTHORITIES = "ca/ca.crt";
    static final String SOCKETS = "/run/thaw";
    static final int HTTP_PORT = 9464;

    private static final KubernetesSerialization YAML = new KubernetesSerialization();

    private AgentFile() {}

    /**
     * The file's text; the same spec gives the same text.
     *
     * @param registries those that differ from an ordinary one
     * @param nodeService host:port that agents dial: an address, because pods on the host's network cannot count on
     *     cluster DNS
     * @param serverName the name in the NodeService's certificate
     */
    static String of(
            SnapshotterConfigSpec spec, List<RegistryEntry> registries, String nodeService, String serverName) {
        Map<String, Object> file = new LinkedHashMap<>();
        file.put("root", spec.cache().path());
        file.put("socket", SOCKETS + "/agent.sock");
        file.put("holder", SOCKETS + "/holder.sock");
        file.put("http", map("address", "0.0.0.0", "port", HTTP_PORT));
        file.put("driver", spec.driver().word());
        file.put("containerd", containerd(spec.containerd()));
        file.put("cache", cache(spec.cache()));
        file.put("fetch", fetch(spec.fetch()));
        file.put("mirrors", spec.mirrors().stream().map(AgentFile::mirror).toList());
        file.put("registries", registries.stream().map(AgentFile::registry).toList());
        file.put(
                "nodeService",
                map(
                        "address",
                        nodeService,
                        "serverName",
                        serverName,
                        "caFile",
                        FOLDER + "/" + AUTHORITIES,
                        "tokenFile",
                        TOKEN_FOLDER + "/" + TOKEN));
        file.put(
                "credentials",
                spec.credentials().stream().map(AgentFile::credential).toList());
        return YAML.asYaml(file);
    }

    /** The Docker configuration files on the node that the spec names. */
    static List<String> dockerConfigs(SnapshotterConfigSpec spec) {
        return spec.credentials().stream()
                .flatMap(credential -> Optional.ofNullable(credential.dockerConfig()).stream())
                .map(SnapshotterConfigSpec.DockerConfig::path)
                .toList();
    }

    private static Map<String, Object> mirror(SnapshotterConfigSpec.Mirror mirror) {
        return map(
                "host",
                mirror.host(),
                "fallback",
                filled(mirror.fallback()),
                "endpoints",
                mirror.endpoints().stream()
                        .map(endpoint -> map(
                                "url", endpoint.url(),
                                // sorted, so that the same spec gives the same text
                                "headers", new TreeMap<>(endpoint.headers()),
                                "healthPath", endpoint.healthPath(),
                                "healthInterval", span(endpoint.healthInterval())))
                        .toList());
    }

    private static Map<String, Object> credential(SnapshotterConfigSpec.Credential credential) {
        var from = map("type", credential.type().word());
        Optional.ofNullable(credential.credentialProvider()).ifPresent(provider -> {
            from.put("config", provider.config());
            from.put("binDir", provider.binDir());
        });
        Optional.ofNullable(credential.dockerConfig()).ifPresent(file -> from.put("path", file.path()));
        return from;
    }

    private static Map<String, Object> containerd(SnapshotterConfigSpec.Containerd containerd) {
        return map(
                "socket", containerd.socket(),
                "configPath", containerd.configPath(),
                "install", containerd.install().word(),
                "restart", containerd.restartMethod().word(),
                "runtimeHandlers", containerd.runtimeHandlers());
    }

    private static Map<String, Object> cache(SnapshotterConfigSpec.Cache cache) {
        return map(
                "path",
                cache.path() + "/cache",
                "maxSize",
                cache.maxSize(),
                "highWatermark",
                filled(cache.highWatermark()) / 100.0,
                "lowWatermark",
                filled(cache.lowWatermark()) / 100.0,
                "minFree",
                cache.minFree());
    }

    private static Map<String, Object> fetch(SnapshotterConfigSpec.Fetch fetch) {
        return map(
                "parallelism", filled(fetch.parallelism()),
                "rangeSize", fetch.rangeSize(),
                "timeout", span(fetch.timeout()),
                "retries", filled(fetch.retries()),
                "readTimeout", span(fetch.readTimeout()),
                "onFailure", fetch.onFailure().word(),
                "bandwidth",
                        fetch.bandwidthLimit().map(limit -> limit.bytes() + "").orElse(""));
    }

    private static Map<String, Object> registry(RegistryEntry entry) {
        var registry = map("host", entry.host(), "plainHttp", entry.plainHttp());
        entry.ca().ifPresent(certificates -> registry.put("ca", certificates));
        return registry;
    }

    /** Whole milliseconds: the agent reads no fractions. */
    private static String span(String duration) {
        return Durations.parse(duration).toMillis() + "ms";
    }

    /** The records fill in their defaults themselves. */
    private static <T> T filled(@Nullable T value) {
        return Objects.requireNonNull(value);
    }

    private static Map<String, Object> map(Object... pairs) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            map.put((String) pairs[i], pairs[i + 1]);
        }
        return map;
    }
}
