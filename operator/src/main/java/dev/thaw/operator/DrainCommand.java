package dev.thaw.operator;

import dev.thaw.crds.ConditionType;
import dev.thaw.crds.Durations;
import dev.thaw.crds.SnapshotterConfig;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.HttpURLConnection;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Takes every agent off its node, while the operator still runs: the chart's hook before it is uninstalled. */
@Command(
        name = "drain",
        description = "Deletes every SnapshotterConfig and waits until containerd's configuration is given back.",
        mixinStandardHelpOptions = true)
final class DrainCommand implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(DrainCommand.class);
    private static final Duration PAUSE = Duration.ofSeconds(2);

    @Option(
            names = "--timeout",
            paramLabel = "DURATION",
            defaultValue = "10m",
            description = "How long to wait, such as 10m. Default: $" + "{DEFAULT-VALUE}.")
    private String timeout = "10m";

    @Override
    public Integer call() throws InterruptedException {
        Duration limit;
        try {
            limit = Durations.parse(timeout);
        } catch (IllegalArgumentException e) {
            LOG.error("--timeout: {}", e.getMessage());
            return CommandLine.ExitCode.USAGE;
        }
        try (var client = new KubernetesClientBuilder().build()) {
            return drain(client, limit, PAUSE) ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
        }
    }

    /** True once there is no SnapshotterConfig left, or never was a kind of that name. */
    static boolean drain(KubernetesClient client, Duration limit, Duration pause) throws InterruptedException {
        var deadline = Instant.now().plus(limit);
        var before = "";
        while (true) {
            var left = left(client);
            if (left.isEmpty()) {
                LOG.info("No agent is left on any node");
                return true;
            }
            for (var config : left) {
                if (config.getMetadata().getDeletionTimestamp() == null) {
                    client.resource(config).delete();
                }
            }
            var now = left.stream().map(DrainCommand::sentence).collect(Collectors.joining("; "));
            if (!now.equals(before)) {
                LOG.info("Waiting for {}", now);
                before = now;
            }
            if (Instant.now().isAfter(deadline)) {
                LOG.error(
                        "Gave up after {}: {}. Is the operator running? Nodes that are still listed keep containerd's changed configuration.",
                        limit,
                        now);
                return false;
            }
            Thread.sleep(pause);
        }
    }

    private static List<SnapshotterConfig> left(KubernetesClient client) {
        try {
            return client.resources(SnapshotterConfig.class).list().getItems();
        } catch (KubernetesClientException e) {
            if (e.getCode() == HttpURLConnection.HTTP_NOT_FOUND) {
                return List.of();
            }
            throw e;
        }
    }

    private static String sentence(SnapshotterConfig config) {
        var said = Optional.ofNullable(config.getStatus())
                .flatMap(status -> status.condition(ConditionType.PROGRESSING))
                .flatMap(condition -> Optional.ofNullable(condition.message()));
        return config.getMetadata().getName()
                + said.map(message -> " (" + message + ")").orElse("");
    }
}
