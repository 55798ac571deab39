package dev.thaw.operator.registry;

import dev.thaw.oci.DockerConfig;
import java.util.List;

/**
 * The credentials that some Secrets hold.
 *
 * @param config the credentials of all of them; those of the Secret named first win
 * @param version changes whenever one of the Secrets is made, changed or deleted
 * @param problems a sentence for each Secret that cannot be used
 */
public record Keys(DockerConfig config, String version, List<String> problems) {
    public Keys {
        problems = List.copyOf(problems);
    }
}
