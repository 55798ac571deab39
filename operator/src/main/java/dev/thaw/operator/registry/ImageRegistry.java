package dev.thaw.operator.registry;

import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryException;
import java.io.IOException;

/** What the operator asks of registries. Every call is bounded in time. */
public interface ImageRegistry {
    /**
     * The digest that a tag points to now.
     *
     * @throws RegistryException if it is not there, not ours to read, or the registry does not answer
     */
    Digest digest(Reference reference, CredentialSource credentials) throws IOException;

    /**
     * What a digest names.
     *
     * @throws RegistryException as {@link #digest}, and {@link RegistryException.Invalid} for what is no container image
     */
    SourceImage image(Reference byDigest, CredentialSource credentials) throws IOException;

    /**
     * Begins to push into a repository and leaves it at that: nothing stays there.
     *
     * @throws RegistryException if the registry does not let us, or does not answer
     */
    void tryPush(Reference repository, CredentialSource credentials) throws IOException;

    /**
     * Deletes a manifest or a tag; what is gone already is fine.
     *
     * @throws RegistryException if the registry forbids deletion, or does not answer
     */
    void delete(Reference manifest, CredentialSource credentials) throws IOException;

    /**
     * Deletes a manifest that refers to another, and its mention where the registry keeps mentions in a tag; what is gone
     * already is fine.
     *
     * @throws RegistryException as {@link #delete}
     */
    void deleteReferrer(Reference repository, Digest subject, Digest referrer, CredentialSource credentials)
            throws IOException;
}
