package dev.thaw.agent.registry;

import dev.thaw.oci.Credential;
import dev.thaw.oci.DockerConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A docker {@code config.json} on the node, which others may renew: it is read again when it has changed. A file that cannot
 * be read is a problem of the node, not the end of the agent; what it said before holds on.
 */
final class DockerConfigFile implements NodeCredentialSource {
    private static final Logger log = LoggerFactory.getLogger(DockerConfigFile.class);

    private final RenewedFile<DockerConfig> file;

    DockerConfigFile(Path path) {
        file = new RenewedFile<>(path, DockerConfigFile::parse, DockerConfig.empty());
    }

    private static DockerConfig parse(byte[] content) throws IOException {
        try {
            return DockerConfig.parse(content);
        } catch (IllegalArgumentException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    @Override
    public Optional<Credential> credential(String registryHost, String repository) {
        var config = file.content();
        file.problem().ifPresent(problem -> log.warn("{}", problem));
        return config.credential(registryHost, repository);
    }

    @Override
    public Optional<String> problem() {
        file.content();
        return file.problem();
    }
}
