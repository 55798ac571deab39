package dev.thaw.agent.image;

import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.config.AgentSettings.Driver;
import dev.thaw.agent.fetch.FetchSettings;
import dev.thaw.agent.fetch.OnFailure;
import dev.thaw.agent.mount.MountDriver;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The read path of an agent in a process of its own, to be killed. Arguments: root, holder's socket, repository, artifact,
 * bytes of cache.
 */
final class AgentLikeProcess {
    static final String READY = "READY";

    private AgentLikeProcess() {}

    public static void main(String[] arguments) throws Exception {
        var root = Path.of(arguments[0]);
        var repository = Reference.parseRepository(arguments[2]);
        var artifact = Digest.parse(arguments[3]);
        var entry = new ImageEntry(
                artifact,
                repository,
                true,
                BackgroundFetch.NEVER,
                PrefetchPolicy.PATHS,
                List.of(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
        var meters = new SimpleMeterRegistry();
        var driver = MountDriver.choose(Driver.Erofs, root, Path.of(arguments[1]), meters);
        var client = new RegistryClient(
                RegistrySettings.defaults().withPlainHttp(repository.registry()), CredentialSource.anonymous());
        var store = new ImageStore(
                root,
                wanted -> Optional.of(entry),
                image -> client,
                LearnedTraces.NONE,
                new CacheSettings(root.resolve("cache"), Long.parseLong(arguments[4]), 0.9, 0.5),
                new FetchSettings(
                        4,
                        256 << 10,
                        Duration.ofMinutes(1),
                        OnFailure.BLOCK,
                        3,
                        OptionalLong.empty(),
                        Duration.ofSeconds(1)),
                driver,
                meters);
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(() -> {
            try {
                store.close();
                driver.close();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }));
        store.restore(List.of(artifact));
        System.out.println(READY + " " + store.mount(artifact));
        Thread.sleep(Duration.ofMinutes(10));
    }
}
