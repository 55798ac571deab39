package dev.thaw.operator;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What the leading replica does beside reconciling: it says that it leads, and applies the chart's SnapshotterConfig. */
final class Leadership {
    /** Label of the pod that leads; the NodeService's Service selects it. */
    static final String LABEL = "thaw.dev/leader";

    private static final Logger LOG = LoggerFactory.getLogger(Leadership.class);
    private static final String CHART = "thaw-chart";
    private static final int TRIES = 10;
    private static final long PAUSE_MILLIS = 3000;

    private final KubernetesClient client;
    private final Settings settings;

    Leadership(KubernetesClient client, Settings settings) {
        this.client = client;
        this.settings = settings;
    }

    /** A container that was restarted in its pod finds the label of its former life. */
    void forget() {
        try {
            label(false);
        } catch (KubernetesClientException e) {
            LOG.warn("The label of pod {} could not be taken away: {}", settings.podName(), e.getMessage());
        }
    }

    /** Agents find the NodeService by the label, so without it there is no point in leading. */
    void announce() throws InterruptedException {
        insist("label pod " + settings.podName(), () -> label(true));
    }

    /**
     * Helm cannot make a custom resource in the release that brings its definition; so the chart hands it over as a file.
     *
     * @throws IOException when the file cannot be read
     */
    void applyDefaultConfig() throws IOException, InterruptedException {
        if (settings.defaultSnapshotterConfig().isEmpty()) {
            return;
        }
        Path file = settings.defaultSnapshotterConfig().get();
        if (!Files.exists(file)) {
            LOG.info("There is no {}: no SnapshotterConfig is applied", file);
            return;
        }
        var yaml = Files.readString(file);
        insist("apply the SnapshotterConfig of " + file, () -> {
            var config = client.getKubernetesSerialization().unmarshal(yaml, GenericKubernetesResource.class);
            client.resource(config).fieldManager(CHART).forceConflicts().serverSideApply();
            LOG.info("Applied SnapshotterConfig {}", config.getMetadata().getName());
        });
    }

    private void label(boolean leads) {
        client.pods()
                .inNamespace(settings.namespace())
                .withName(settings.podName())
                .patch(
                        PatchContext.of(PatchType.JSON_MERGE),
                        "{\"metadata\":{\"labels\":{\"%s\":%s}}}".formatted(LABEL, leads ? "\"true\"" : "null"));
    }

    private static void insist(String what, Runnable work) throws InterruptedException {
        for (int attempt = 1; ; attempt++) {
            try {
                work.run();
                return;
            } catch (KubernetesClientException e) {
                if (attempt == TRIES) {
                    throw e;
                }
                LOG.warn("Could not {}: {}; trying again", what, e.getMessage());
                Thread.sleep(PAUSE_MILLIS);
            }
        }
    }
}
