package dev.thaw.agent.registry;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.thaw.agent.registry.CredentialProviderConfig.Provider;
import dev.thaw.oci.Credential;
import dev.thaw.oci.DockerConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Kubelet's credential provider plugins, asked as kubelet asks them (credentialprovider.kubelet.k8s.io): a request on standard
 * input, an answer on standard output, kept for as long and for as much as the answer says. The first provider that is
 * meant for an image and gives something for it decides.
 */
final class CredentialProvider implements NodeCredentialSource {
    static final String API_GROUP = "credentialprovider.kubelet.k8s.io/";
    private static final Logger log = LoggerFactory.getLogger(CredentialProvider.class);
    /** Neither a plugin that fails nor one whose answer is refused is run more often. */
    private static final Duration PAUSE = Duration.ofSeconds(10);

    private static final int MOST_ANSWERS = 1_000;
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final RenewedFile<CredentialProviderConfig> config;
    private final Plugin plugin;
    private final Clock clock;
    private final ReentrantLock lock = new ReentrantLock();
    /** By provider and by what the answer is for: an image, a registry, or everything. */
    private final Map<Key, Answer> answers = new HashMap<>();

    private final Map<String, String> failures = new HashMap<>();

    /** Runs a provider's program. */
    @FunctionalInterface
    interface Plugin {
        /**
         * Runs it to its end, for no longer than is bearable.
         *
         * @return its standard output
         */
        byte[] run(Provider provider, byte[] request) throws IOException, InterruptedException;
    }

    private enum Reach {
        IMAGE,
        REGISTRY,
        GLOBAL
    }

    private record Key(String provider, Reach reach, String name) {}

    /** @param failed when nothing came, and the program is to be left alone for a moment */
    private record Answer(DockerConfig credentials, Instant end, Instant asked, boolean failed) {}

    CredentialProvider(Path config, Plugin plugin, Clock clock) {
        this.config = new RenewedFile<>(config, CredentialProviderConfig::parse, CredentialProviderConfig.NONE);
        this.plugin = plugin;
        this.clock = clock;
    }

    @Override
    public Optional<Credential> credential(String registryHost, String repository) {
        for (var provider : config.content().providers()) {
            if (provider.matches(registryHost, repository)) {
                var found = ask(provider, registryHost, repository);
                if (found.isPresent()) {
                    return found;
                }
            }
        }
        config.problem().ifPresent(problem -> log.warn("{}", problem));
        return Optional.empty();
    }

    @Override
    public void refused(String registryHost, String repository, Credential credential) {
        lock.lock();
        try {
            var now = clock.instant();
            answers.values()
                    .removeIf(answer -> answer.credentials
                                    .credential(registryHost, repository)
                                    .equals(Optional.of(credential))
                            && !now.isBefore(answer.asked.plus(PAUSE)));
        } finally {
            lock.unlock();
        }
    }

    /** One program runs at a time: many threads want the same answer. */
    private Optional<Credential> ask(Provider provider, String host, String repository) {
        lock.lock();
        try {
            var known = known(provider, host, repository);
            var answer = known == null ? run(provider, host, repository) : known;
            return answer.credentials.credential(host, repository);
        } finally {
            lock.unlock();
        }
    }

    private @Nullable Answer known(Provider provider, String host, String repository) {
        var now = clock.instant();
        answers.values().removeIf(answer -> !now.isBefore(answer.end));
        for (var reach : Reach.values()) {
            var answer = answers.get(key(provider, reach, host, repository));
            if (answer != null) {
                return answer;
            }
        }
        return null;
    }

    private static Key key(Provider provider, Reach reach, String host, String repository) {
        return new Key(
                provider.name(),
                reach,
                switch (reach) {
                    case IMAGE -> host + "/" + repository;
                    case REGISTRY -> host;
                    case GLOBAL -> "";
                });
    }

    private Answer run(Provider provider, String host, String repository) {
        var now = clock.instant();
        try {
            var request = JSON.createObjectNode()
                    .put("kind", "CredentialProviderRequest")
                    .put("apiVersion", provider.apiVersion())
                    .put("image", host + "/" + repository);
            var response = response(provider, plugin.run(provider, JSON.writeValueAsBytes(request)));
            failures.remove(provider.name());
            var holds = response.path("cacheDuration").isTextual()
                    ? GoDuration.parse(response.path("cacheDuration").asText())
                    : provider.defaultCacheDuration();
            var answer = new Answer(credentials(response), end(now, holds), now, false);
            if (!holds.isZero() && answers.size() < MOST_ANSWERS) {
                answers.put(key(provider, reach(response), host, repository), answer);
            }
            return answer;
        } catch (IOException | IllegalArgumentException e) {
            return failed(provider, host, repository, now, String.valueOf(e.getMessage()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new Answer(DockerConfig.empty(), now, now, true);
        }
    }

    private static Instant end(Instant now, Duration holds) {
        var longest = Duration.ofDays(1);
        return now.plus(holds.compareTo(longest) < 0 ? holds : longest);
    }

    private Answer failed(Provider provider, String host, String repository, Instant now, String message) {
        var problem = "credential provider %s gives nothing for %s/%s: %s"
                .formatted(provider.name(), host, repository, message);
        log.warn("{}", problem);
        failures.put(provider.name(), problem);
        var answer = new Answer(DockerConfig.empty(), now.plus(PAUSE), now, true);
        answers.put(key(provider, Reach.IMAGE, host, repository), answer);
        return answer;
    }

    private static JsonNode response(Provider provider, byte[] output) throws IOException {
        JsonNode response;
        try {
            response = JSON.readTree(output);
        } catch (JacksonException e) {
            // Neither the message nor the cause: both may repeat a piece of a secret.
            throw new IOException("its answer is no JSON");
        }
        if (response == null || !response.path("kind").asText().equals("CredentialProviderResponse")) {
            throw new IOException("its answer is no CredentialProviderResponse");
        }
        if (!response.path("apiVersion").asText().equals(provider.apiVersion())) {
            throw new IOException("its answer is of another version than " + provider.apiVersion());
        }
        return response;
    }

    private static Reach reach(JsonNode response) {
        var word = response.path("cacheKeyType").asText();
        return switch (word) {
            case "Image" -> Reach.IMAGE;
            case "Registry" -> Reach.REGISTRY;
            case "Global" -> Reach.GLOBAL;
            default -> throw new IllegalArgumentException("its answer has an unknown cacheKeyType");
        };
    }

    /** The answer's {@code auth} has the form of a docker config's {@code auths}. */
    private static DockerConfig credentials(JsonNode response) throws IOException {
        var auths = JSON.createObjectNode();
        for (var entry : response.path("auth").properties()) {
            auths.putObject(entry.getKey())
                    .put("username", entry.getValue().path("username").asText(""))
                    .put("password", entry.getValue().path("password").asText(""));
        }
        return DockerConfig.parse(JSON.writeValueAsBytes(JSON.createObjectNode().set("auths", auths)));
    }

    @Override
    public Optional<String> problem() {
        var problems = new ArrayList<>(config.content().problems());
        config.problem().ifPresent(problems::add);
        lock.lock();
        try {
            problems.addAll(failures.values());
        } finally {
            lock.unlock();
        }
        return problems.isEmpty() ? Optional.empty() : Optional.of(String.join("; ", problems));
    }
}
