package dev.thaw.agent.registry;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.agent.config.AgentSettings.CredentialsFrom;
import dev.thaw.oci.Credential;
import dev.thaw.oci.CredentialSource;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class NodeCredentialSourcesTest {
    private static final Credential OWN = new Credential.Basic("own", "o");

    @TempDir
    Path directory;

    private Path dockerConfig(String user) throws IOException {
        var file = directory.resolve("config.json");
        var pair = Base64.getEncoder().encodeToString((user + ":p").getBytes(StandardCharsets.UTF_8));
        Files.writeString(file, "{\"auths\":{\"registry.example\":{\"auth\":\"%s\"}}}".formatted(pair));
        return file;
    }

    private static Optional<Credential> first(List<CredentialSource> sources) {
        return CredentialSource.firstOf(sources).credential("registry.example", "a");
    }

    @Test
    void areAskedInTheOrderOfTheConfiguration() throws IOException {
        var file = new CredentialsFrom.DockerConfig(dockerConfig("node"));
        var secrets = new CredentialsFrom.LazyImageSecrets();
        CredentialSource own = (host, repository) -> Optional.of(OWN);

        assertThat(first(new NodeCredentialSources(List.of(secrets, file), Clock.systemUTC())
                        .with(() -> Optional.of(own))))
                .contains(OWN);
        assertThat(first(new NodeCredentialSources(List.of(file, secrets), Clock.systemUTC())
                        .with(() -> Optional.of(own))))
                .contains(new Credential.Basic("node", "p"));
        assertThat(new NodeCredentialSources(List.of(file), Clock.systemUTC()).with(() -> Optional.of(own)))
                .hasSize(1);
    }

    @Test
    void aDockerConfigIsReadAgainWhenItChangesAndMayBeAwayForAWhile() throws IOException {
        var file = dockerConfig("first");
        var sources = new NodeCredentialSources(List.of(new CredentialsFrom.DockerConfig(file)), Clock.systemUTC());
        assertThat(first(sources.with(Optional::empty))).contains(new Credential.Basic("first", "p"));

        Files.delete(file);
        assertThat(first(sources.with(Optional::empty))).contains(new Credential.Basic("first", "p"));
        assertThat(sources.problems()).singleElement().asString().contains("config.json", "is not there");

        dockerConfig("second one");
        assertThat(first(sources.with(Optional::empty))).contains(new Credential.Basic("second one", "p"));
        assertThat(sources.problems()).isEmpty();

        Files.writeString(file, "{\"auths\":{\"registry.example\":{\"auth\":\"c2VjcmV0\"}}}");
        assertThat(first(sources.with(Optional::empty))).contains(new Credential.Basic("second one", "p"));
        assertThat(sources.problems()).singleElement().asString().doesNotContain("c2VjcmV0", "secret");
    }
}
