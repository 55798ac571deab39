package dev.thaw.operator.certificates;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Whose certificates are served, and who is told of their authorities.
 *
 * @param namespace the operator's own
 * @param origin where certificates come from
 * @param webhookNames DNS names of the webhook's Service; empty when there is no webhook
 * @param nodeNames DNS names of the NodeService's Service
 * @param agentAuthorities ConfigMap in {@code namespace} that agents mount to know the NodeService's authority
 */
public record CertificateSettings(
        String namespace, Origin origin, List<String> webhookNames, List<String> nodeNames, String agentAuthorities) {
    public CertificateSettings {
        webhookNames = List.copyOf(webhookNames);
        nodeNames = List.copyOf(nodeNames);
    }

    /** Where certificates come from. */
    public sealed interface Origin {
        /**
         * The operator makes them and keeps them in Secrets of its namespace.
         *
         * @param webhookConfiguration the MutatingWebhookConfiguration whose {@code caBundle} is kept
         */
        record SelfMade(String webhookSecret, String nodeSecret, Optional<String> webhookConfiguration)
                implements Origin {}

        /** Somebody else makes them; each folder holds tls.crt, tls.key and ca.crt. */
        record Mounted(Path webhookFolder, Path nodeFolder) implements Origin {}
    }
}
