package dev.thaw.operator.node;

import com.google.protobuf.Timestamp;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.node.v1.ColdStart;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The cold starts of every lazy image: joins what agents report of a container with the Ready condition of its pod.
 *
 * <p>A start counts once; when it is reported again, only the bytes fetched for it are taken. One that was not cold, because the node held the image or a part of it,
 * is no sample of how long a cold start takes and is left out.
 */
public final class ColdStarts {
    /** Nodes whose last cold start is remembered for an image, besides those that the status shows. */
    private static final int NODES = 4 * LazyImageStatus.MAX_NODES;

    /** Starts whose pod is not ready yet that are waited for; beyond it the oldest is given up. */
    private static final int WAITING = 10_000;

    /** A pod that is not ready after that long is not waited for any more. */
    private static final Duration PATIENCE = Duration.ofHours(1);

    /** Times in conditions are cut to the second. */
    private static final Duration CONDITION_PRECISION = Duration.ofSeconds(1);

    private final Clock clock;
    private final ColdStartMetrics metrics;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<ImageName, Starts> images = new HashMap<>();
    private final LinkedHashMap<String, Waiting> waiting = new LinkedHashMap<>();
    private final List<Consumer<ImageName>> listeners = new CopyOnWriteArrayList<>();

    ColdStarts(Clock clock, ColdStartMetrics metrics) {
        this.clock = clock;
        this.metrics = metrics;
    }

    /** Calls back with the image whose figures have changed; must not block. */
    public void onChange(Consumer<ImageName> listener) {
        listeners.add(listener);
    }

    /**
     * The figures of an image; null when nothing was measured yet. Continues from the image's status where this operator
     * has not been running long enough to know by itself.
     */
    public LazyImageStatus.@Nullable ColdStart figures(LazyImage image) {
        lock.lock();
        try {
            return starts(image).window.figures();
        } finally {
            lock.unlock();
        }
    }

    /** The last cold start on each node, of which some may have left the cluster. */
    List<Sample> lastOnNodes(LazyImage image) {
        lock.lock();
        try {
            return List.copyOf(starts(image).last.values());
        } finally {
            lock.unlock();
        }
    }

    /** Forgets an image that was deleted. */
    void forget(ImageName image) {
        lock.lock();
        try {
            images.remove(image);
            waiting.values().removeIf(start -> start.image.equals(image));
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes in one start.
     *
     * @param image whose container it was
     * @param node where, as the caller's token says
     * @param pod the container's pod, if it is known
     */
    void add(LazyImage image, String node, ColdStart start, Optional<WatchedPod> pod) {
        var sample = sample(node, start);
        if (!start.getCold() || sample.isEmpty()) {
            return;
        }
        var name = ImageName.of(image);
        lock.lock();
        try {
            var starts = starts(image);
            if (starts.add(sample.get())) {
                metrics.entrypoint(sample.get());
                var awaited =
                        new Waiting(name, sample.get().container(), sample.get().began(), started(start));
                if (pod.isEmpty() || !settle(awaited, pod.get())) {
                    await(start.getPodNamespace() + "/" + start.getPodName(), awaited);
                }
            } else if (!starts.window.refine(sample.get(), clock.instant())) {
                return;
            }
        } finally {
            lock.unlock();
        }
        listeners.forEach(listener -> listener.accept(name));
    }

    /** Looks whether a start was waiting for that pod to become ready. */
    void podChanged(WatchedPod pod) {
        if (pod.ready().isEmpty()) {
            return;
        }
        Waiting settled = null;
        lock.lock();
        try {
            var key = pod.namespace() + "/" + pod.name();
            var awaited = waiting.get(key);
            if (awaited != null && settle(awaited, pod)) {
                waiting.remove(key);
                settled = awaited;
            }
        } finally {
            lock.unlock();
        }
        if (settled != null) {
            var name = settled.image;
            listeners.forEach(listener -> listener.accept(name));
        }
    }

    private boolean settle(Waiting awaited, WatchedPod pod) {
        if (pod.ready().isEmpty()) {
            return false;
        }
        var ready = pod.ready().get();
        if (ready.plus(CONDITION_PRECISION).isBefore(awaited.started)) {
            return false; // it was ready by an earlier start of another container
        }
        var time = Duration.between(awaited.began, ready.isBefore(awaited.started) ? awaited.started : ready);
        var starts = images.get(awaited.image);
        if (starts != null) {
            starts.ready(awaited.container, time);
            metrics.ready(time);
        }
        return true;
    }

    private void await(String pod, Waiting start) {
        var now = clock.instant();
        waiting.values().removeIf(old -> old.started.plus(PATIENCE).isBefore(now));
        if (waiting.size() >= WAITING) {
            waiting.pollFirstEntry();
        }
        waiting.put(pod, start);
    }

    private Starts starts(LazyImage image) {
        return images.computeIfAbsent(ImageName.of(image), _ -> new Starts(image.getStatus()));
    }

    private static Optional<Sample> sample(String node, ColdStart start) {
        if (!start.hasStarted() || !(start.hasPullBegan() || start.hasRootMounted())) {
            return Optional.empty();
        }
        var began = instant(start.hasPullBegan() ? start.getPullBegan() : start.getRootMounted());
        var entrypoint = Duration.between(began, started(start));
        return entrypoint.isNegative()
                ? Optional.empty()
                : Optional.of(new Sample(
                        start.getContainerId(),
                        node,
                        began,
                        entrypoint,
                        Optional.empty(),
                        start.getDemand().getBytes(),
                        start.getAhead().getBytes(),
                        start.getTouchedBytes(),
                        start.getImageBytes()));
    }

    private static Instant started(ColdStart start) {
        return instant(start.getStarted());
    }

    private static Instant instant(Timestamp time) {
        return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
    }

    private record Waiting(ImageName image, String container, Instant began, Instant started) {}

    /** What is known of one image. */
    private static final class Starts {
        private final SampleWindow window;
        private final LinkedHashMap<String, Sample> last = new LinkedHashMap<>();

        Starts(@Nullable LazyImageStatus status) {
            window = SampleWindow.rebuilt(status == null ? null : status.coldStart());
            Collection<Sample> rows = status == null ? List.of() : SampleWindow.rowsOf(status);
            rows.forEach(row -> last.put(row.node(), row));
        }

        boolean add(Sample sample) {
            var row = last.get(sample.node());
            if (!window.add(sample)) {
                return false;
            }
            if (row == null || !row.began().isAfter(sample.began())) {
                last.putLast(sample.node(), sample);
            }
            if (last.size() > NODES) {
                last.pollFirstEntry();
            }
            return true;
        }

        void ready(String container, Duration time) {
            window.ready(container, time);
            last.replaceAll((_, row) -> row.container().equals(container) ? row.withReady(time) : row);
        }
    }
}
