package dev.thaw.agent.registry;

import dev.thaw.agent.config.AgentSettings.CredentialsFrom;
import dev.thaw.oci.CredentialSource;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** The sources of credentials that the configuration names, in its order. */
public final class NodeCredentialSources {
    private final List<Optional<NodeCredentialSource>> sources = new ArrayList<>();

    /** @param settings where {@code LazyImageSecrets} stands is where an image's own come in */
    public NodeCredentialSources(List<CredentialsFrom> settings, Clock clock) {
        for (var from : settings) {
            sources.add(
                    switch (from) {
                        case CredentialsFrom.LazyImageSecrets _ -> Optional.empty();
                        case CredentialsFrom.CredentialProvider(var config, var binDir) ->
                            Optional.of(
                                    new CredentialProvider(NodeProgram.onNode(config), new NodeProgram(binDir), clock));
                        case CredentialsFrom.DockerConfig(var path) -> Optional.of(new DockerConfigFile(path));
                    });
        }
    }

    /** For an image whose own credentials, if it has any, come from here. */
    public List<CredentialSource> with(Supplier<Optional<CredentialSource>> own) {
        var found = new ArrayList<CredentialSource>();
        for (var source : sources) {
            source.<CredentialSource>map(known -> known).or(own).ifPresent(found::add);
        }
        return found;
    }

    /** For what belongs to no LazyImage. */
    public CredentialSource ofNode() {
        return CredentialSource.firstOf(with(Optional::empty));
    }

    /** What whoever runs the node should know, a sentence each. */
    public List<String> problems() {
        return sources.stream()
                .flatMap(Optional::stream)
                .flatMap(source -> source.problem().stream())
                .map(problem -> "Credentials: " + problem + ".")
                .toList();
    }
}
