package dev.thaw.agent.registry;

import dev.thaw.oci.CredentialSource;
import java.util.Optional;

/** Credentials that the node has, whoever the image belongs to. */
interface NodeCredentialSource extends CredentialSource {
    /** Why it may not give what it should, a sentence for whoever runs the node. */
    Optional<String> problem();
}
