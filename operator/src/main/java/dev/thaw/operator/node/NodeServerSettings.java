package dev.thaw.operator.node;

import dev.thaw.operator.registry.RegistryEntry;
import java.util.List;
import java.util.Set;

/**
 * How node agents are served.
 *
 * @param port to listen on, with TLS; 0 takes a free one
 * @param audience that a token must be made for
 * @param operatorNamespace where the agents run
 * @param service name of the Service that agents dial
 * @param agentServiceAccount the name of their service account; no other is let in
 * @param watchNamespaces whose LazyImages are served; empty for all
 * @param registries those that differ from ordinary ones
 */
public record NodeServerSettings(
        int port,
        String audience,
        String operatorNamespace,
        String service,
        String agentServiceAccount,
        Set<String> watchNamespaces,
        List<RegistryEntry> registries) {
    public NodeServerSettings {
        watchNamespaces = Set.copyOf(watchNamespaces);
        registries = List.copyOf(registries);
    }

    /** The user name that a token of the agents' service account stands for. */
    String agentUser() {
        return "system:serviceaccount:" + operatorNamespace + ":" + agentServiceAccount;
    }
}
