package dev.thaw.operator.rollout;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.client.KubernetesClient;

/** Makes an object as it should be. Applying the same again changes nothing. */
@FunctionalInterface
public interface Apply {
    /** Field manager of everything that the operator applies. */
    String FIELD_MANAGER = "thaw-operator";

    void apply(HasMetadata desired);

    /** Server-side apply: fields that others set and we do not mention stay as they are. */
    static Apply serverSide(KubernetesClient client) {
        return desired -> client.resource(desired)
                .fieldManager(FIELD_MANAGER)
                .forceConflicts()
                .serverSideApply();
    }
}
