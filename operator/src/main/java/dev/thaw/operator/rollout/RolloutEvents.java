package dev.thaw.operator.rollout;

import dev.thaw.crds.SnapshotterConfig;
import io.fabric8.kubernetes.api.model.EventBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Events about a SnapshotterConfig, as {@code kubectl describe} shows them. One that cannot be written is logged. */
final class RolloutEvents {
    private static final Logger LOG = LoggerFactory.getLogger(RolloutEvents.class);

    enum Happening {
        /** Nodes were left with our configuration, because they did not answer. */
        NODES_LEFT_BEHIND("NodesLeftBehind", "Warning"),
        /** containerd's configuration was taken back everywhere. */
        REMOVED("Removed", "Normal");

        private final String reason;
        private final String type;

        Happening(String reason, String type) {
            this.reason = reason;
            this.type = type;
        }
    }

    private final KubernetesClient client;
    private final InstantSource clock;

    RolloutEvents(KubernetesClient client, InstantSource clock) {
        this.client = client;
        this.clock = clock;
    }

    void tell(SnapshotterConfig config, Happening happening, String message) {
        LOG.info("{}: {}", config.getMetadata().getName(), message);
        var now = clock.instant().truncatedTo(ChronoUnit.SECONDS).toString();
        // events about objects of the cluster live in the namespace "default"
        var event = new EventBuilder()
                .withNewMetadata()
                .withGenerateName(config.getMetadata().getName() + ".")
                .withNamespace("default")
                .endMetadata()
                .withNewInvolvedObject()
                .withApiVersion(config.getApiVersion())
                .withKind(config.getKind())
                .withName(config.getMetadata().getName())
                .withUid(config.getMetadata().getUid())
                .endInvolvedObject()
                .withType(happening.type)
                .withReason(happening.reason)
                .withMessage(message)
                .withFirstTimestamp(now)
                .withLastTimestamp(now)
                .withCount(1)
                .withNewSource()
                .withComponent("thaw-operator")
                .endSource()
                .build();
        try {
            client.v1().events().inNamespace("default").resource(event).create();
        } catch (KubernetesClientException e) {
            LOG.warn("The event \"{}\" could not be written: {}", message, e.getMessage());
        }
    }
}
