package dev.thaw.operator.admission;

import java.util.Set;

/**
 * Which pods the webhook may touch.
 *
 * @param port of the HTTPS server
 * @param operatorNamespace pods there are left alone, as are those of kube-system
 * @param watchNamespaces namespaces with LazyImages; empty means all
 * @param autoCreate whether images without a LazyImage get one in namespaces whose label does not say
 */
public record AdmissionSettings(int port, String operatorNamespace, Set<String> watchNamespaces, boolean autoCreate) {
    private static final String SYSTEM = "kube-system";

    public AdmissionSettings {
        watchNamespaces = Set.copyOf(watchNamespaces);
    }

    boolean excludes(String namespace) {
        return SYSTEM.equals(namespace) || operatorNamespace.equals(namespace);
    }
}
