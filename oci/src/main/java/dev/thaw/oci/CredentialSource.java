package dev.thaw.oci;

import java.util.List;
import java.util.Optional;

/**
 * Knows who we are at a registry. Asked from many threads at once, and only when a registry demands to know; a source
 * that itself asks somebody else must bound the time that takes.
 */
@FunctionalInterface
public interface CredentialSource {
    /**
     * The credential for a repository, or nothing to come anonymously.
     *
     * @param registryHost the host as references write it, with port if any: {@code docker.io}, {@code localhost:5000};
     *     for a mirror, the mirror's own host. A source must not answer with the credential of another host.
     * @param repository for example {@code library/nginx}
     */
    Optional<Credential> credential(String registryHost, String repository);

    /**
     * Told when a credential was refused. A source that keeps credentials forgets this one; it is then asked once more,
     * and the request is repeated if a different credential comes.
     */
    default void refused(String registryHost, String repository, Credential credential) {}

    /** Comes anonymously everywhere. */
    static CredentialSource anonymous() {
        return (registryHost, repository) -> Optional.empty();
    }

    /** Asks each in order and takes the first answer. */
    static CredentialSource firstOf(List<? extends CredentialSource> sources) {
        var ordered = List.copyOf(sources);
        return new CredentialSource() {
            @Override
            public Optional<Credential> credential(String registryHost, String repository) {
                return ordered.stream()
                        .flatMap(source -> source.credential(registryHost, repository).stream())
                        .findFirst();
            }

            @Override
            public void refused(String registryHost, String repository, Credential credential) {
                ordered.forEach(source -> source.refused(registryHost, repository, credential));
            }
        };
    }
}
