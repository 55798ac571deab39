package dev.thaw.operator.rollout;

import dev.thaw.operator.registry.RegistryEntry;
import java.util.List;

/**
 * What every agent has in common.
 *
 * @param namespace the operator's own, where agents run
 * @param agentImage image of agents whose configuration names none
 * @param serviceAccount the agents' service account, which may do nothing
 * @param imagePullPolicy {@code IfNotPresent}, {@code Always} or {@code Never}
 * @param imagePullSecrets Secrets of {@code namespace}
 * @param nodeServiceHost DNS name of the NodeService's Service, {@code <service>.<namespace>.svc}
 * @param nodeServicePort its port
 * @param audience of the agents' token
 * @param authorities ConfigMap of {@code namespace} with the authorities that agents trust, as {@code ca.crt}
 * @param registries those that differ from an ordinary one
 */
public record RolloutSettings(
        String namespace,
        String agentImage,
        String serviceAccount,
        String imagePullPolicy,
        List<String> imagePullSecrets,
        String nodeServiceHost,
        int nodeServicePort,
        String audience,
        String authorities,
        List<RegistryEntry> registries) {
    public RolloutSettings {
        registries = List.copyOf(registries);
        imagePullSecrets = List.copyOf(imagePullSecrets);
    }

    /** Name of the NodeService's Service. */
    String nodeServiceName() {
        int dot = nodeServiceHost.indexOf('.');
        return dot < 0 ? nodeServiceHost : nodeServiceHost.substring(0, dot);
    }
}
