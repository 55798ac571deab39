package dev.thaw.agent.registry;

import dev.thaw.agent.image.BackgroundFetch;
import dev.thaw.agent.image.ImageEntry;
import dev.thaw.agent.image.ImageTable;
import dev.thaw.agent.image.PrefetchPolicy;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The lazy images that the configuration file names, for a node without an operator. Their indexes are read at the
 * start and when a layer names an artifact that is not known yet, so a tag may move while the agent runs; an image once known stays so.
 */
public final class NamedImages implements ImageTable {
    private static final Logger log = LoggerFactory.getLogger(NamedImages.class);
    /** What marks the artifact manifest among the manifests of a lazy image. */
    private static final String ARTIFACT_TYPE = "application/vnd.nydus.image.manifest.v1+json";

    private static final Duration PAUSE = Duration.ofSeconds(5);

    private final List<Reference> references;
    private final Set<String> plainHttpHosts;
    private final RegistryClient client;
    private final Clock clock;
    private final Map<Digest, ImageEntry> known = new ConcurrentHashMap<>();
    private final ReentrantLock looking = new ReentrantLock();
    private Instant nextLook = Instant.MIN;

    /**
     * @param plainHttpHosts that are spoken to without TLS
     * @param client stays the caller's
     */
    public NamedImages(List<Reference> references, Set<String> plainHttpHosts, RegistryClient client, Clock clock) {
        this.references = List.copyOf(references);
        this.plainHttpHosts = Set.copyOf(plainHttpHosts);
        this.client = client;
        this.clock = clock;
    }

    /** Reads the indexes before anybody asks, so that a first pull does not wait for it. Returns when they have been read. */
    public void lookAhead() {
        looking.lock();
        try {
            references.forEach(this::learn);
        } finally {
            looking.unlock();
        }
    }

    @Override
    public Optional<ImageEntry> find(Digest artifact) {
        if (!known.containsKey(artifact)) {
            look(artifact);
        }
        return Optional.ofNullable(known.get(artifact));
    }

    /** At most once in {@link #PAUSE}: a label that anybody can forge must not make us ask registries without end. */
    private void look(Digest wanted) {
        looking.lock();
        try {
            if (known.containsKey(wanted) || clock.instant().isBefore(nextLook)) {
                return;
            }
            nextLook = clock.instant().plus(PAUSE);
            references.forEach(this::learn);
        } finally {
            looking.unlock();
        }
    }

    private void learn(Reference reference) {
        try {
            if (!(client.manifest(reference) instanceof ImageIndex index)) {
                log.warn("{} is not a lazy image: it is no index; convert it with `thaw-converter convert`", reference);
                return;
            }
            index.manifests().stream()
                    .filter(entry -> ARTIFACT_TYPE.equals(entry.artifactType()))
                    .forEach(entry -> known.put(
                            entry.digest(),
                            new ImageEntry(
                                    entry.digest(),
                                    Reference.parseRepository(reference.registry() + "/" + reference.repository()),
                                    plainHttpHosts.contains(reference.registry()),
                                    BackgroundFetch.AFTER_READY,
                                    PrefetchPolicy.LEARN,
                                    List.of(),
                                    Optional.empty(),
                                    Optional.empty(),
                                    Optional.empty(),
                                    Optional.empty())));
        } catch (IOException e) {
            log.warn("{} cannot be looked up, its layers are not claimed: {}", reference, e.getMessage());
        }
    }
}
