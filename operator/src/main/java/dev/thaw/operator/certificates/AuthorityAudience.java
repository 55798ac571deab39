package dev.thaw.operator.certificates;

import dev.thaw.crds.Names;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.admissionregistration.v1.MutatingWebhookConfigurationBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Those who must trust a server's authorities. Telling them the same again changes nothing. */
sealed interface AuthorityAudience {
    /**
     * Tells them.
     *
     * @param bundle PEM certificates of every authority to trust
     */
    void tell(String bundle);

    /** The API server, which calls the webhooks of one configuration. */
    record ApiServer(KubernetesClient client, String webhookConfiguration) implements AuthorityAudience {
        private static final Logger LOG = LoggerFactory.getLogger(ApiServer.class);

        @Override
        public void tell(String bundle) {
            var wanted = Base64.getEncoder().encodeToString(bundle.getBytes(StandardCharsets.UTF_8));
            var resource = client.admissionRegistration()
                    .v1()
                    .mutatingWebhookConfigurations()
                    .withName(webhookConfiguration);
            var found = resource.get();
            if (found == null) {
                LOG.warn(
                        "MutatingWebhookConfiguration {} does not exist: pods are not made lazy. It comes with the chart.",
                        webhookConfiguration);
                return;
            }
            boolean same = found.getWebhooks().stream()
                    .allMatch(webhook -> wanted.equals(webhook.getClientConfig().getCaBundle()));
            if (same) {
                return;
            }
            resource.edit(old -> {
                var next = new MutatingWebhookConfigurationBuilder(old).build();
                next.getWebhooks().forEach(webhook -> webhook.getClientConfig().setCaBundle(wanted));
                return next;
            });
        }
    }

    /** Node agents, which have the ConfigMap mounted. */
    record Agents(KubernetesClient client, String namespace, String configMap) implements AuthorityAudience {
        static final String KEY = "ca.crt";

        @Override
        public void tell(String bundle) {
            var resource = client.configMaps().inNamespace(namespace).withName(configMap);
            var found = resource.get();
            if (found == null) {
                client.resource(new ConfigMapBuilder()
                                .withNewMetadata()
                                .withName(configMap)
                                .withNamespace(namespace)
                                .addToLabels(Names.MANAGED_BY_LABEL, Names.MANAGED_BY)
                                .endMetadata()
                                .withData(Map.of(KEY, bundle))
                                .build())
                        .create();
                return;
            }
            var before = found.getData() == null ? "" : found.getData().getOrDefault(KEY, "");
            if (!Pem.sameCertificates(before, bundle)) {
                resource.edit(
                        old -> new ConfigMapBuilder(old).addToData(KEY, bundle).build());
            }
        }
    }
}
