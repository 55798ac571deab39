package dev.thaw.operator.node;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.LazyImageStatus.PlatformImage;
import dev.thaw.crds.PrefetchPolicy;
import dev.thaw.node.v1.ImageEvent;
import dev.thaw.node.v1.ReportTraceRequest;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How images are read when they start. The first {@value #ENOUGH} starts of an artifact that are reported teach it, whatever
 * their node; then no more are asked for, so that a rollout on a thousand nodes writes no more than one on ten. A new artifact
 * is learned anew. What was learned is saved before a report is answered.
 */
public final class Traces implements ImageTable.Listener {
    private static final Logger LOG = LoggerFactory.getLogger(Traces.class);

    /** Starts that an artifact is learned from. */
    static final int ENOUGH = 8;

    private final TraceStore store;
    private final Executor aside;
    private final Map<String, Artifact> artifacts = new ConcurrentHashMap<>();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

    /** @param aside runs what may take a while */
    Traces(TraceStore store, Executor aside) {
        this.store = store;
        this.aside = aside;
    }

    /** Calls back after something was learned; must not block. */
    public void onChange(Runnable listener) {
        listeners.add(listener);
    }

    /** What the learned starts of an artifact have in common. */
    MergedTrace merged(String artifact) {
        return of(artifact).learned().merged;
    }

    /** Whether another start would teach something. */
    boolean isLearning(String artifact) {
        return of(artifact).learned().learning();
    }

    /**
     * Learns from a start, if it was not learned from enough of them.
     *
     * @param report a sound one
     * @param over when the start was over, as far as it is
     * @throws KubernetesClientException when it cannot be saved
     */
    void add(String artifact, ReportTraceRequest report, Optional<Instant> over) {
        var kept = ReportedTrace.kept(report, over);
        if (kept.getTrace().getChunks().getChunkCount() > 0 && of(artifact).learn(kept)) {
            listeners.forEach(Runnable::run);
        }
    }

    /** What the status says; null where nothing was learned, or nothing is to be. */
    public LazyImageStatus.@Nullable Prefetch figures(LazyImage image) {
        var status = image.getStatus();
        if (status == null || image.getSpec().prefetch().policy() != PrefetchPolicy.LEARN) {
            return null;
        }
        int starts = 0;
        long chunks = 0;
        long bytes = 0;
        long prefetched = 0;
        long used = 0;
        for (var artifact : status.platforms().stream()
                .map(PlatformImage::artifactDigest)
                .distinct()
                .toList()) {
            var learned = of(artifact).learned();
            starts += learned.starts.size();
            chunks += learned.merged.chunks().getChunkCount();
            bytes += learned.merged.storedBytes();
            for (var start : learned.starts) {
                prefetched += start.getPrefetchedBytes();
                used += start.getPrefetchedUsedBytes();
            }
        }
        return starts == 0 ? null : LazyImageStatus.Prefetch.of(starts, chunks, bytes, used, prefetched);
    }

    /** Forgets what was learned of artifacts that are not published. */
    void retain(Collection<String> published) {
        var gone = new HashSet<>(store.artifacts());
        gone.removeAll(published);
        gone.forEach(this::forget);
    }

    /** An artifact that nobody publishes any longer needs no trace. */
    @Override
    public void changed(ImageEvent event) {
        if (event.getEventCase() == ImageEvent.EventCase.REMOVED) {
            aside.execute(() -> forget(event.getRemoved()));
        }
    }

    private void forget(String artifact) {
        artifacts.remove(artifact);
        try {
            store.delete(artifact);
        } catch (KubernetesClientException e) {
            LOG.warn("What was learned of {} is not needed and cannot be deleted: {}", artifact, e.getMessage());
        }
    }

    private Artifact of(String digest) {
        return artifacts.computeIfAbsent(digest, Artifact::new);
    }

    /**
     * What is known of one artifact.
     *
     * @param full no more can be saved
     */
    private record Learned(List<ReportTraceRequest> starts, MergedTrace merged, boolean full) {
        static Learned from(List<ReportTraceRequest> starts) {
            var traces = starts.stream().map(ReportTraceRequest::getTrace).toList();
            return new Learned(
                    List.copyOf(starts), starts.isEmpty() ? MergedTrace.NOTHING : MergedTrace.of(traces), false);
        }

        boolean learning() {
            return !full && starts.size() < ENOUGH;
        }
    }

    /** Reads what was saved when it is first asked. */
    private final class Artifact {
        private final String digest;
        private final ReentrantLock lock = new ReentrantLock();
        private @Nullable Learned learned;

        Artifact(String digest) {
            this.digest = digest;
        }

        Learned learned() {
            lock.lock();
            try {
                var known = learned;
                if (known == null) {
                    known = Learned.from(store.load(digest));
                    learned = known;
                }
                return known;
            } finally {
                lock.unlock();
            }
        }

        /** @return whether something has changed */
        boolean learn(ReportTraceRequest start) {
            lock.lock();
            try {
                var before = learned();
                var starts = new ArrayList<>(before.starts);
                boolean known = starts.removeIf(other -> other.getContainerId().equals(start.getContainerId()));
                if (!known && !before.learning()) {
                    return false;
                }
                starts.add(start);
                if (starts.equals(before.starts)) {
                    return false;
                }
                if (!store.save(digest, starts)) {
                    learned = new Learned(before.starts, before.merged, true);
                    return false;
                }
                learned = Learned.from(starts);
                return true;
            } finally {
                lock.unlock();
            }
        }
    }
}
