package dev.thaw.agent.clock;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import dev.thaw.agent.AgentException;
import dev.thaw.agent.containerd.containers.Container;
import dev.thaw.agent.containerd.events.TaskStart;
import dev.thaw.agent.containerd.types.Envelope;
import dev.thaw.agent.image.ImageTraffic;
import dev.thaw.agent.image.ImageTraffic.Flow;
import dev.thaw.agent.image.ImageTraffic.Traffic;
import dev.thaw.agent.snapshot.SnapshotWatcher;
import dev.thaw.agent.snapshot.Snapshots;
import dev.thaw.oci.Digest;
import io.grpc.StatusRuntimeException;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Joins what the snapshotter sees with what containerd tells into one {@link ColdStart} per container.
 *
 * <pre>
 * first Prepare of the image   pull began      if no snapshot referred to it before
 * root prepared and mounted    root mounted    takes the pull along, unless a container of it started since
 * /tasks/start                 started         the first one uses the pull up; report
 * </pre>
 *
 * <p>A start that came before a new containerd could be heard is found among what it runs, and its time is when it was found.
 */
public final class ColdStartClock implements SnapshotWatcher, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ColdStartClock.class);
    private static final String TASK_START = "/tasks/start";
    private static final Duration FIRST_PAUSE = Duration.ofMillis(20);
    /** Between subscriptions that containerd ends at once. */
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(1);
    /** By when a subscription is surely one: what starts later is heard. */
    private static final Duration SUBSCRIBED = Duration.ofMillis(100);

    /** Roots whose container never starts, and starts that nobody asks about again, are forgotten beyond this many. */
    private static final int REMEMBERED = 1024;

    /** Finds roots that were made before the agent started. */
    public interface Roots {
        Optional<Snapshots.LazyRoot> find(String namespace, String key) throws AgentException;
    }

    private final Containerd containerd;
    private final Supplier<Roots> roots;
    private final ImageTraffic traffic;
    private final ColdStartSink sink;
    private final Timer afterPull;
    private final Timer afterMount;

    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Digest, Pull> pulls = new Remembered<>();
    private final Map<String, Root> mounted = new Remembered<>();
    /** Keys of mounted roots of which no start is known. */
    private final Set<String> unstarted = Collections.newSetFromMap(new Remembered<>());

    private final Map<String, Started> started = new Remembered<>();

    private volatile boolean closed;
    private Optional<Thread> listener = Optional.empty();

    /**
     * @param roots asked for late, because the snapshotter needs this watcher first; {@link Snapshots#lazyRoot}
     * @param sink called on the thread that hears containerd
     */
    public ColdStartClock(
            Containerd containerd,
            Supplier<Roots> roots,
            ImageTraffic traffic,
            ColdStartSink sink,
            MeterRegistry registry) {
        this.containerd = containerd;
        this.roots = roots;
        this.traffic = traffic;
        this.sink = sink;
        this.afterPull = entrypoint(registry, "pull", "From the first Prepare of an image to the start of its process");
        this.afterMount = entrypoint(registry, "mount", "From the mount of a root to the start of its process");
    }

    private static Timer entrypoint(MeterRegistry registry, String from, String description) {
        return Timer.builder("thaw.start.entrypoint")
                .description(description)
                .tag("from", from)
                .serviceLevelObjectives(
                        Duration.ofMillis(100),
                        Duration.ofMillis(250),
                        Duration.ofMillis(500),
                        Duration.ofSeconds(1),
                        Duration.ofSeconds(2),
                        Duration.ofSeconds(5),
                        Duration.ofSeconds(15),
                        Duration.ofSeconds(60))
                .register(registry);
    }

    /** Begins to listen to containerd, and keeps at it until {@link #close}. */
    public void start() {
        closed = false;
        listener = Optional.of(Thread.ofVirtual().name("cold-starts").start(this::listen));
    }

    @Override
    public void close() {
        closed = true;
        listener.ifPresent(Thread::interrupt);
    }

    /** The report on a container as it stands now, with the traffic since its start. */
    public Optional<ColdStart> again(String containerId) {
        lock.lock();
        try {
            return Optional.ofNullable(started.get(containerId)).map(this::report);
        } finally {
            lock.unlock();
        }
    }

    // --- what the snapshotter sees

    private record Pull(Instant began, boolean cold) {}

    private record Root(String key, Digest image, Instant at, Optional<Pull> pull, Traffic before) {}

    private record Started(ColdStart first, Traffic before) {}

    @Override
    public void pullBegan(Digest image, Instant at) {
        boolean cold = traffic.of(image).cachedBytes() == 0;
        lock.lock();
        try {
            pulls.put(image, new Pull(at, cold));
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void rootMounted(String key, Digest image, Instant at) {
        var now = traffic.of(image);
        lock.lock();
        try {
            var pull = Optional.ofNullable(pulls.get(image));
            mounted.put(key, new Root(key, image, at, pull, pull.isPresent() ? Traffic.NONE : now));
            unstarted.add(key);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void removed(String key) {
        lock.lock();
        try {
            unstarted.remove(key);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void imageReleased(Digest image) {
        lock.lock();
        try {
            pulls.remove(image);
        } finally {
            lock.unlock();
        }
    }

    // --- what containerd tells

    private void listen() {
        var pause = FIRST_PAUSE;
        try (var looks = Executors.newVirtualThreadPerTaskExecutor()) {
            while (!closed) {
                long begun = System.nanoTime();
                try {
                    var events = containerd.events(TASK_START);
                    begun = System.nanoTime();
                    looks.execute(this::findStarted);
                    while (events.hasNext()) {
                        hear(events.next());
                    }
                } catch (StatusRuntimeException e) {
                    LOG.debug("containerd's events end: {}", e.getStatus());
                }
                pause = System.nanoTime() - begun > LONGEST_PAUSE.toNanos() ? FIRST_PAUSE : pause.multipliedBy(2);
                pause = pause.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : pause;
                Thread.sleep(pause);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** What was started between the mount of its root and the subscription. */
    private void findStarted() {
        try {
            Thread.sleep(SUBSCRIBED);
            for (var namespace : namespacesOfUnstarted()) {
                var running = containerd.running(namespace);
                var now = Instant.now();
                for (var container : running) {
                    taskFound(namespace, container, now);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (AgentException | RuntimeException e) {
            if (!closed) {
                LOG.warn("containers that were started before containerd was heard are not counted: {}", e.toString());
            }
        }
    }

    private Set<String> namespacesOfUnstarted() {
        lock.lock();
        try {
            return unstarted.stream()
                    .map(key -> key.substring(0, key.indexOf('/')))
                    .collect(Collectors.toSet());
        } finally {
            lock.unlock();
        }
    }

    /** Nothing that one event holds or leads to may end the listening. */
    private void hear(Envelope envelope) {
        try {
            var task = TaskStart.parseFrom(envelope.getEvent().getValue());
            taskStarted(envelope.getNamespace(), task.getContainerId(), instant(envelope.getTimestamp()));
        } catch (InvalidProtocolBufferException | AgentException | RuntimeException e) {
            if (closed) {
                return;
            }
            LOG.warn("the start of a task in namespace {} is not counted: {}", envelope.getNamespace(), e.toString());
        }
    }

    private void taskStarted(String namespace, String containerId, Instant at) throws AgentException {
        var container = containerd.container(namespace, containerId);
        var root = root(namespace, key(container, containerId));
        if (root.isPresent()) {
            report(namespace, containerId, container, root.get(), at, false);
        }
    }

    /** It may have been heard by now, or be one of which an earlier life of this agent was told. */
    private void taskFound(String namespace, String containerId, Instant at) throws AgentException {
        var container = containerd.container(namespace, containerId);
        var root = mounted(namespace, key(container, containerId));
        if (root.isPresent()) {
            report(namespace, containerId, container, root.get(), at, true);
        }
    }

    /** A container that is over already is gone from containerd's store; clients name the snapshot as the container. */
    private static String key(Optional<Container> container, String containerId) {
        return container
                .map(Container::getSnapshotKey)
                .filter(name -> !name.isEmpty())
                .orElse(containerId);
    }

    /** @param found whether it was not heard, but seen running */
    private void report(
            String namespace, String containerId, Optional<Container> container, Root root, Instant at, boolean found) {
        var now = traffic.of(root.image());
        var spent = difference(now, root.before());
        var labels = container.map(Container::getLabelsMap).orElse(Map.of());
        var start = new ColdStart(
                root.image(),
                containerId,
                namespace,
                labels.getOrDefault("io.kubernetes.pod.namespace", ""),
                labels.getOrDefault("io.kubernetes.pod.name", ""),
                labels.getOrDefault("io.kubernetes.pod.uid", ""),
                labels.getOrDefault("io.kubernetes.container.name", ""),
                root.pull().map(Pull::began),
                root.at(),
                at,
                spent,
                spent.touchedBytes(),
                root.pull().map(Pull::cold).orElse(false));
        lock.lock();
        try {
            boolean first = unstarted.remove(root.key());
            var known = started.get(containerId);
            boolean heardLate = known != null && !at.isAfter(known.first().started());
            if (found ? !first : heardLate) {
                return;
            }
            started.put(containerId, new Started(start, root.before()));
            root.pull().ifPresent(pull -> pulls.remove(root.image(), pull));
        } finally {
            lock.unlock();
        }
        (root.pull().isPresent() ? afterPull : afterMount)
                .record(Duration.between(root.pull().map(Pull::began).orElse(root.at()), at));
        sink.report(start);
    }

    private Optional<Root> root(String namespace, String key) throws AgentException {
        var known = mounted(namespace, key);
        if (known.isPresent()) {
            return known;
        }
        return roots.get()
                .find(namespace, key)
                .map(root ->
                        new Root(root.key(), root.image(), root.created(), Optional.empty(), traffic.of(root.image())));
    }

    private Optional<Root> mounted(String namespace, String key) {
        Optional<Root> newest = Optional.empty();
        lock.lock();
        try {
            // Keys come back, with another number: the last one is meant.
            for (var root : mounted.values()) {
                if (isKeyOf(root.key(), namespace, key)) {
                    newest = Optional.of(root);
                }
            }
        } finally {
            lock.unlock();
        }
        return newest;
    }

    /** containerd's proxies see {@code <namespace>/<number>/<key>} where its clients say {@code <key>}. */
    private static boolean isKeyOf(String name, String namespace, String key) {
        if (!name.startsWith(namespace + "/") || !name.endsWith("/" + key)) {
            return false;
        }
        return name.indexOf('/', namespace.length() + 1) == name.length() - key.length() - 1;
    }

    private ColdStart report(Started start) {
        var first = start.first();
        var spent = difference(traffic.of(first.artifact()), start.before());
        return new ColdStart(
                first.artifact(),
                first.containerId(),
                first.namespace(),
                first.podNamespace(),
                first.podName(),
                first.podUid(),
                first.containerName(),
                first.pullBegan(),
                first.rootMounted(),
                first.started(),
                spent,
                spent.touchedBytes(),
                first.cold());
    }

    private static Traffic difference(Traffic now, Traffic before) {
        return new Traffic(
                difference(now.demand(), before.demand()),
                difference(now.ahead(), before.ahead()),
                difference(now.background(), before.background()),
                now.waited().minus(before.waited()),
                now.touchedBytes() - before.touchedBytes(),
                now.cachedBytes(),
                now.totalBytes());
    }

    private static Flow difference(Flow now, Flow before) {
        return new Flow(now.bytes() - before.bytes(), now.requests() - before.requests());
    }

    private static Instant instant(Timestamp timestamp) {
        return Instant.ofEpochSecond(timestamp.getSeconds(), timestamp.getNanos());
    }

    /** Keeps the newest entries. */
    private static final class Remembered<K, V> extends LinkedHashMap<K, V> {
        @Override
        protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
            return size() > REMEMBERED;
        }
    }
}
