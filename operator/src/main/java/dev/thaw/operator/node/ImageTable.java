package dev.thaw.operator.node;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.LazyImageStatus.PlatformImage;
import dev.thaw.node.v1.BackgroundFetch;
import dev.thaw.node.v1.Image;
import dev.thaw.node.v1.ImageEvent;
import dev.thaw.node.v1.PrefetchPolicy;
import dev.thaw.node.v1.Synced;
import dev.thaw.oci.Reference;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The lazy images that nodes may claim, by the digest of their artifact. A LazyImage brings those of its published image
 * and of the few before it, so that a pod that was admitted with an older one can still be started again. Where several
 * LazyImages publish the same artifact, the first by name describes it.
 */
final class ImageTable {
    private static final Logger LOG = LoggerFactory.getLogger(ImageTable.class);

    /** Told of each change, in order, one at a time. */
    interface Listener {
        void changed(ImageEvent event);
    }

    private final Set<String> plainHttpHosts;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<ImageName, LazyImage> images = new HashMap<>();
    private final Map<String, TreeMap<ImageName, Image>> artifacts = new HashMap<>();
    private final Set<Listener> listeners = new HashSet<>();

    ImageTable(Collection<String> plainHttpHosts) {
        this.plainHttpHosts = Set.copyOf(plainHttpHosts);
    }

    void put(LazyImage image) {
        lock.lock();
        try {
            var name = ImageName.of(image);
            images.put(name, image);
            replace(name, published(image));
        } finally {
            lock.unlock();
        }
    }

    void remove(ImageName name) {
        lock.lock();
        try {
            images.remove(name);
            replace(name, Map.of());
        } finally {
            lock.unlock();
        }
    }

    /** Tells the listener all images, then that these were all, then each change until it is removed. */
    void add(Listener listener) {
        lock.lock();
        try {
            artifacts.values().forEach(publishers -> listener.changed(upsert(publishers)));
            listener.changed(ImageEvent.newBuilder()
                    .setSynced(Synced.getDefaultInstance())
                    .build());
            listeners.add(listener);
        } finally {
            lock.unlock();
        }
    }

    void remove(Listener listener) {
        lock.lock();
        try {
            listeners.remove(listener);
        } finally {
            lock.unlock();
        }
    }

    /** The LazyImages that publish an artifact, and how each describes it. */
    Map<LazyImage, Image> publishers(String artifact) {
        lock.lock();
        try {
            var found = new LinkedHashMap<LazyImage, Image>();
            artifacts
                    .getOrDefault(artifact, new TreeMap<>())
                    .forEach((name, image) -> found.put(Objects.requireNonNull(images.get(name)), image));
            return found;
        } finally {
            lock.unlock();
        }
    }

    Optional<LazyImage> find(ImageName name) {
        lock.lock();
        try {
            return Optional.ofNullable(images.get(name));
        } finally {
            lock.unlock();
        }
    }

    private void replace(ImageName name, Map<String, Image> now) {
        var touched = new LinkedHashSet<>(now.keySet()); // what is new first: an agent must never miss an image
        artifacts.forEach((artifact, publishers) -> {
            if (publishers.containsKey(name)) {
                touched.add(artifact);
            }
        });
        for (var artifact : touched) {
            var publishers = artifacts.computeIfAbsent(artifact, _ -> new TreeMap<>());
            var before = publishers.isEmpty() ? null : publishers.firstEntry().getValue();
            var image = now.get(artifact);
            if (image == null) {
                publishers.remove(name);
            } else {
                publishers.put(name, image);
            }
            if (publishers.isEmpty()) {
                artifacts.remove(artifact);
                tell(ImageEvent.newBuilder().setRemoved(artifact).build());
            } else if (before == null || !publishers.firstEntry().getValue().equals(before)) {
                tell(upsert(publishers));
            }
        }
    }

    private void tell(ImageEvent event) {
        listeners.forEach(listener -> listener.changed(event));
    }

    private static ImageEvent upsert(TreeMap<ImageName, Image> publishers) {
        return ImageEvent.newBuilder()
                .setUpsert(publishers.firstEntry().getValue())
                .build();
    }

    /** What a LazyImage publishes and has published, by artifact. */
    Map<String, Image> published(LazyImage image) {
        var status = image.getStatus();
        if (status == null) {
            return Map.of();
        }
        var found = new LinkedHashMap<String, Image>();
        for (var publication : publications(status)) {
            try {
                var reference = Reference.parse(publication.lazyImage());
                for (var platform : publication.platforms()) {
                    found.putIfAbsent(platform.artifactDigest(), describe(image, reference, platform));
                }
            } catch (IllegalArgumentException e) {
                LOG.warn(
                        "LazyImage {} names \"{}\" as published, which is no reference: nodes are not told of it",
                        ImageName.of(image),
                        publication.lazyImage());
            }
        }
        return found;
    }

    private record Publication(String lazyImage, List<PlatformImage> platforms) {}

    private static List<Publication> publications(LazyImageStatus status) {
        var all = new ArrayList<Publication>();
        if (status.lazyImage() != null) {
            all.add(new Publication(status.lazyImage(), status.platforms()));
        }
        status.earlier().forEach(earlier -> all.add(new Publication(earlier.lazyImage(), earlier.platforms())));
        return all;
    }

    /** All references by digest under which a container may run what a LazyImage has published. */
    static Set<String> digests(LazyImage image) {
        var status = image.getStatus();
        var digests = new HashSet<String>();
        if (status != null) {
            for (var publication : publications(status)) {
                digests.add(publication
                        .lazyImage()
                        .substring(publication.lazyImage().indexOf('@') + 1));
                publication.platforms().forEach(platform -> digests.add(platform.lazyDigest()));
            }
        }
        return digests;
    }

    private Image describe(LazyImage image, Reference reference, PlatformImage platform) {
        var spec = image.getSpec();
        var described = Image.newBuilder()
                .setArtifactDigest(platform.artifactDigest())
                .setRegistry(reference.registry())
                .setRepository(reference.repository())
                .setLazyDigest(platform.lazyDigest())
                .setSourceDigest(platform.sourceDigest())
                .setNamespace(image.getMetadata().getNamespace())
                .setName(image.getMetadata().getName())
                .setPlainHttp(plainHttpHosts.contains(reference.registry()))
                .setBackgroundFetch(
                        switch (spec.backgroundFetch()) {
                            case ALWAYS -> BackgroundFetch.BACKGROUND_FETCH_ALWAYS;
                            case AFTER_READY -> BackgroundFetch.BACKGROUND_FETCH_AFTER_READY;
                            case NEVER -> BackgroundFetch.BACKGROUND_FETCH_NEVER;
                        });
        switch (spec.prefetch().policy()) {
            case LEARN -> described.setPrefetchPolicy(PrefetchPolicy.PREFETCH_POLICY_LEARN);
            case PATHS -> described.setPrefetchPolicy(PrefetchPolicy.PREFETCH_POLICY_PATHS);
            case OFF -> described.setPrefetchPolicy(PrefetchPolicy.PREFETCH_POLICY_OFF);
        }
        if (described.getPrefetchPolicy() != PrefetchPolicy.PREFETCH_POLICY_OFF) {
            described.addAllPrefetchPaths(spec.prefetch().paths());
        }
        return described.build();
    }
}
