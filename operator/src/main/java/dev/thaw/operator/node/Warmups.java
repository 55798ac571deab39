package dev.thaw.operator.node;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec.Warmup;
import dev.thaw.crds.LazyImageStatus.PlatformImage;
import dev.thaw.node.v1.Warmups.Builder;
import dev.thaw.operator.node.WarmupPlan.Candidate;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What nodes are to hold before any pod asks for it, as {@code spec.warmup} of the LazyImages says. All of it is worked out anew
 * from what is seen: images, nodes, and what agents report, which includes what they were told. So an operator that has just
 * started goes on where the one before it was.
 */
public final class Warmups {
    private final Supplier<Collection<LazyImage>> images;
    private final Supplier<Collection<WatchedNode>> nodes;
    private final NodeReports reports;
    private final Traces traces;
    private final Clock clock;
    private final ReentrantLock lock = new ReentrantLock();
    private final Set<WarmupSubscription> subscriptions = new HashSet<>();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private Instant begun = Instant.MAX;
    private volatile Map<ImageName, Warmth> warmths = Map.of();
    private volatile Map<String, Map<String, Wanted>> told = Map.of();

    /** What a node is told to hold of one artifact, and which LazyImages want that. */
    private record Wanted(WarmLevel level, Set<ImageName> by) {
        Wanted and(Wanted other) {
            var all = new HashSet<>(by);
            all.addAll(other.by);
            return new Wanted(level.compareTo(other.level) >= 0 ? level : other.level, Set.copyOf(all));
        }
    }

    /**
     * @param images all that are watched
     * @param nodes all of the cluster
     */
    Warmups(
            Supplier<Collection<LazyImage>> images,
            Supplier<Collection<WatchedNode>> nodes,
            NodeReports reports,
            Traces traces,
            Clock clock) {
        this.images = images;
        this.nodes = nodes;
        this.reports = reports;
        this.traces = traces;
        this.clock = clock;
    }

    /** Calls back after the warmth of an image has changed; must not block. */
    public void onChange(Runnable listener) {
        listeners.add(listener);
    }

    /**
     * How far an image's warm-up is; null where none is wanted, or nothing is published to be held, or not every agent can have
     * reported yet.
     */
    public @Nullable Warmth of(LazyImage image) {
        return warmths.get(ImageName.of(image));
    }

    /** Whether the node was told to hold the artifact for the sake of that LazyImage. */
    boolean wants(ImageName image, String artifact, String node) {
        var wanted = told.getOrDefault(node, Map.of()).get(artifact);
        return wanted != null && wanted.by.contains(image);
    }

    /** Tells an agent from now on; the first time at the next {@link #plan}. */
    void add(WarmupSubscription subscription) {
        lock.lock();
        try {
            subscriptions.add(subscription);
        } finally {
            lock.unlock();
        }
    }

    void remove(WarmupSubscription subscription) {
        lock.lock();
        try {
            subscriptions.remove(subscription);
        } finally {
            lock.unlock();
        }
    }

    /** Looks at everything, and tells agents what has changed for them. */
    void plan() {
        lock.lock();
        try {
            var now = clock.instant();
            begun = now.isBefore(begun) ? now : begun;
            var fresh = fresh(now);
            var all = nodes.get();
            var next = new HashMap<String, Map<String, Wanted>>();
            // Of a node that is silent now nothing is known, so what it was told stands.
            for (var node : all) {
                var before = told.get(node.name());
                if (before != null && !fresh.containsKey(node.name())) {
                    next.put(node.name(), before);
                }
            }
            var figures = new HashMap<ImageName, Warmth>();
            for (var image : images.get()) {
                var warmup = image.getSpec().warmup();
                if (warmup != null && image.getMetadata().getDeletionTimestamp() == null) {
                    plan(image, warmup, all, fresh, next).ifPresent(warmth -> figures.put(ImageName.of(image), warmth));
                }
            }
            told = next;
            for (var subscription : subscriptions) {
                if (fresh.containsKey(subscription.node())) {
                    subscription.tell(message(next.getOrDefault(subscription.node(), Map.of())));
                }
            }
            if (!now.isBefore(begun.plus(NodeReport.FRESH)) && !figures.equals(warmths)) {
                warmths = Map.copyOf(figures);
                listeners.forEach(Runnable::run);
            }
        } finally {
            lock.unlock();
        }
    }

    private Map<String, NodeReport> fresh(Instant now) {
        var fresh = new HashMap<String, NodeReport>();
        for (var report : reports.all()) {
            if (report.isFresh(now)) {
                fresh.put(report.node(), report);
            }
        }
        return fresh;
    }

    private Optional<Warmth> plan(
            LazyImage image,
            Warmup warmup,
            Collection<WatchedNode> all,
            Map<String, NodeReport> fresh,
            Map<String, Map<String, Wanted>> next) {
        var platforms = image.getStatus() == null
                ? List.<PlatformImage>of()
                : image.getStatus().platforms();
        if (platforms.isEmpty()) {
            return Optional.empty();
        }
        var name = ImageName.of(image);
        var artifacts = new HashMap<String, String>();
        var candidates = new ArrayList<Candidate>();
        for (var node : all) {
            var report = fresh.get(node.name());
            var platform = platforms.stream()
                    .filter(candidate -> node.runs(candidate.platform()))
                    .findFirst();
            if (report != null && platform.isPresent() && node.has(warmup.nodeSelector())) {
                var artifact = platform.get().artifactDigest();
                artifacts.put(node.name(), artifact);
                candidates.add(candidate(node.name(), artifact, report));
            }
        }
        var level = level(warmup, platforms);
        var plan = WarmupPlan.of(level, warmup.parallelism(), candidates);
        for (var node : plan.told()) {
            next.computeIfAbsent(node, _ -> new TreeMap<>())
                    .merge(Objects.requireNonNull(artifacts.get(node)), new Wanted(level, Set.of(name)), Wanted::and);
        }
        return Optional.of(plan.warmth());
    }

    /** A trace can be held once there is one. */
    private WarmLevel level(Warmup warmup, List<PlatformImage> platforms) {
        return switch (warmup.level()) {
            case METADATA -> WarmLevel.METADATA;
            case TRACE ->
                platforms.stream()
                                .allMatch(platform ->
                                        traces.merged(platform.artifactDigest()).storedBytes() > 0)
                        ? WarmLevel.TRACE
                        : WarmLevel.ENTRYPOINT;
            case FULL -> WarmLevel.FULL;
        };
    }

    private Candidate candidate(String node, String artifact, NodeReport report) {
        var held = report.images().stream()
                .filter(image -> image.artifact().equals(artifact))
                .findFirst();
        boolean before = told.getOrDefault(node, Map.of()).containsKey(artifact);
        return new Candidate(
                node,
                before
                        || held.filter(image -> image.warmWanted() != WarmLevel.NONE)
                                .isPresent(),
                held.map(NodeReport.Image::warm).orElse(WarmLevel.NONE),
                held.map(NodeReport.Image::warmError).orElse(""));
    }

    private static dev.thaw.node.v1.Warmups message(Map<String, Wanted> artifacts) {
        Builder message = dev.thaw.node.v1.Warmups.newBuilder();
        new TreeMap<>(artifacts)
                .forEach((artifact, wanted) -> message.addWarmups(dev.thaw.node.v1.Warmup.newBuilder()
                        .setArtifactDigest(artifact)
                        .setLevel(
                                switch (wanted.level) {
                                    case NONE -> dev.thaw.node.v1.WarmLevel.WARM_LEVEL_UNSPECIFIED;
                                    case METADATA -> dev.thaw.node.v1.WarmLevel.WARM_LEVEL_METADATA;
                                    case ENTRYPOINT -> dev.thaw.node.v1.WarmLevel.WARM_LEVEL_ENTRYPOINT;
                                    case TRACE -> dev.thaw.node.v1.WarmLevel.WARM_LEVEL_TRACE;
                                    case FULL -> dev.thaw.node.v1.WarmLevel.WARM_LEVEL_FULL;
                                })));
        return message.build();
    }
}
