package dev.thaw.operator;

import dev.thaw.operator.admission.AdmissionSettings;
import dev.thaw.operator.certificates.CertificateSettings;
import dev.thaw.operator.certificates.CertificateSettings.Origin;
import dev.thaw.operator.conversion.ConverterSettings;
import dev.thaw.operator.node.NodeServerSettings;
import dev.thaw.operator.registry.RegistryEntry;
import dev.thaw.operator.rollout.RolloutSettings;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The operator's settings, read once from the environment; {@link Setting} lists the variables.
 *
 * @param lease name of the Lease of the leader election; empty when there is no election
 * @param webhookConfiguration empty when no webhook is served
 * @param watchNamespaces empty means all
 * @param registries those that differ from an ordinary one
 */
public record Settings(
        String namespace,
        String podName,
        String agentImage,
        String converterImage,
        String agentServiceAccount,
        String imagePullPolicy,
        List<String> imagePullSecrets,
        String nodeServiceHost,
        int nodeServicePort,
        String nodeServiceAudience,
        String webhookService,
        Optional<String> webhookConfiguration,
        int webhookPort,
        int httpPort,
        Origin certificates,
        Optional<String> lease,
        Set<String> watchNamespaces,
        boolean autoCreate,
        Optional<Path> defaultSnapshotterConfig,
        List<RegistryEntry> registries) {
    /** ConfigMap with the NodeService's authorities, which agents have mounted. */
    private static final String AGENT_AUTHORITIES = "thaw-node-ca";

    private static final String PREFIX = "THAW_";

    /** Reads the environment. An empty value counts as unset. */
    public static Settings of(Map<String, String> environment) throws InvalidSettings {
        return new Reading(environment).settings();
    }

    RolloutSettings rollout() {
        return new RolloutSettings(
                namespace,
                agentImage,
                agentServiceAccount,
                imagePullPolicy,
                imagePullSecrets,
                nodeServiceHost,
                nodeServicePort,
                nodeServiceAudience,
                AGENT_AUTHORITIES,
                registries);
    }

    AdmissionSettings admission() {
        return new AdmissionSettings(webhookPort, namespace, watchNamespaces, autoCreate);
    }

    NodeServerSettings nodeServer() {
        return new NodeServerSettings(
                nodeServicePort,
                nodeServiceAudience,
                namespace,
                nodeServiceHost.split("\\.", 2)[0],
                agentServiceAccount,
                watchNamespaces,
                registries);
    }

    ConverterSettings converter() {
        return ConverterSettings.of(converterImage).withImagePullPolicy(imagePullPolicy);
    }

    CertificateSettings certificateSettings() {
        var webhookHost = webhookService + "." + namespace + ".svc";
        return new CertificateSettings(
                namespace,
                certificates,
                webhookConfiguration.isPresent() ? withClusterDomain(webhookHost) : List.of(),
                withClusterDomain(nodeServiceHost),
                AGENT_AUTHORITIES);
    }

    private static List<String> withClusterDomain(String host) {
        return List.of(host, host + ".cluster.local");
    }

    /** Collects every mistake before it complains. */
    private static final class Reading {
        private final Map<Setting, String> values = new EnumMap<>(Setting.class);
        private final List<String> mistakes = new ArrayList<>();

        Reading(Map<String, String> environment) {
            for (var variable : new TreeSet<>(environment.keySet())) {
                if (variable.startsWith(PREFIX) && !Setting.isKnown(variable)) {
                    mistakes.add(variable + " is not a setting of the operator (see --help)");
                }
            }
            for (var setting : Setting.values()) {
                var given = Optional.ofNullable(environment.get(setting.name()))
                        .map(String::strip)
                        .filter(value -> !value.isEmpty());
                given.or(setting::otherwise)
                        .ifPresentOrElse(
                                value -> values.put(setting, value),
                                () -> mistakes.add(setting.name() + " is not set: " + setting.meaning()));
            }
        }

        Settings settings() throws InvalidSettings {
            var webhook = optional(Setting.THAW_WEBHOOK_CONFIGURATION);
            var settings = new Settings(
                    text(Setting.THAW_NAMESPACE),
                    text(Setting.THAW_POD_NAME),
                    text(Setting.THAW_AGENT_IMAGE),
                    text(Setting.THAW_CONVERTER_IMAGE),
                    text(Setting.THAW_AGENT_SERVICE_ACCOUNT),
                    oneOf(Setting.THAW_IMAGE_PULL_POLICY, List.of("IfNotPresent", "Always", "Never")),
                    list(Setting.THAW_IMAGE_PULL_SECRETS),
                    text(Setting.THAW_NODE_SERVICE_HOST),
                    port(Setting.THAW_NODE_SERVICE_PORT),
                    text(Setting.THAW_NODE_SERVICE_AUDIENCE),
                    text(Setting.THAW_WEBHOOK_SERVICE),
                    webhook,
                    port(Setting.THAW_WEBHOOK_PORT),
                    port(Setting.THAW_HTTP_PORT),
                    certificates(webhook),
                    truth(Setting.THAW_LEADER_ELECTION)
                            ? Optional.of(text(Setting.THAW_LEADER_ELECTION_LEASE))
                            : Optional.empty(),
                    Set.copyOf(list(Setting.THAW_WATCH_NAMESPACES)),
                    truth(Setting.THAW_AUTO_CREATE),
                    optional(Setting.THAW_DEFAULT_SNAPSHOTTER_CONFIG).map(Path::of),
                    registries());
            oneOf(Setting.THAW_LOG_FORMAT, List.of("Text", "Json"));
            if (!mistakes.isEmpty()) {
                throw new InvalidSettings(mistakes);
            }
            return settings;
        }

        private Origin certificates(Optional<String> webhook) {
            return "Mounted".equals(oneOf(Setting.THAW_CERTIFICATES, List.of("SelfMade", "Mounted")))
                    ? new Origin.Mounted(
                            Path.of(text(Setting.THAW_WEBHOOK_TLS_DIR)), Path.of(text(Setting.THAW_NODE_TLS_DIR)))
                    : new Origin.SelfMade(
                            text(Setting.THAW_WEBHOOK_TLS_SECRET), text(Setting.THAW_NODE_TLS_SECRET), webhook);
        }

        private List<RegistryEntry> registries() {
            var file = optional(Setting.THAW_REGISTRIES_FILE).map(Path::of).filter(Files::exists);
            if (file.isEmpty()) {
                return List.of();
            }
            try {
                var forms = new KubernetesSerialization().unmarshal(Files.readString(file.get()), RegistryForm[].class);
                return forms == null
                        ? List.of()
                        : Arrays.stream(forms)
                                .map(form -> new RegistryEntry(
                                        form.host(),
                                        form.plainHttp(),
                                        Optional.ofNullable(form.ca()).filter(ca -> !ca.isBlank())))
                                .toList();
            } catch (IOException | RuntimeException e) {
                mistakes.add("THAW_REGISTRIES_FILE: %s is not a list of registries: %s"
                        .formatted(file.get(), e.getMessage()));
                return List.of();
            }
        }

        private String text(Setting setting) {
            return values.getOrDefault(setting, "");
        }

        private Optional<String> optional(Setting setting) {
            return Optional.of(text(setting)).filter(value -> !value.isEmpty());
        }

        private List<String> list(Setting setting) {
            return Arrays.stream(text(setting).split(",", -1))
                    .map(String::strip)
                    .filter(part -> !part.isEmpty())
                    .toList();
        }

        private String oneOf(Setting setting, List<String> words) {
            return read(
                    setting,
                    words.getFirst(),
                    "one of " + String.join(", ", words),
                    value -> words.stream()
                            .filter(word -> word.equalsIgnoreCase(value))
                            .findFirst());
        }

        private boolean truth(Setting setting) {
            return Boolean.parseBoolean(oneOf(setting, List.of("false", "true")));
        }

        private int port(Setting setting) {
            return read(
                    setting,
                    0,
                    "a port",
                    value -> value.matches("[0-9]{1,5}") && Integer.parseInt(value) <= 65535
                            ? Optional.of(Integer.parseInt(value))
                            : Optional.empty());
        }

        private <T> T read(Setting setting, T otherwise, String what, Function<String, Optional<T>> reader) {
            var found = reader.apply(text(setting));
            if (found.isEmpty()) {
                mistakes.add("%s is \"%s\", which is not %s".formatted(setting.name(), text(setting), what));
            }
            return found.orElse(otherwise);
        }
    }

    /** One entry of the registries' file. */
    private record RegistryForm(
            String host, boolean plainHttp, @Nullable String ca) {}
}
