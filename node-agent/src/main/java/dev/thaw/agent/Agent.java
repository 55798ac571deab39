package dev.thaw.agent;

import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.clock.ColdStart;
import dev.thaw.agent.clock.ColdStartClock;
import dev.thaw.agent.clock.ColdStartSink;
import dev.thaw.agent.clock.Containerd;
import dev.thaw.agent.config.AgentSettings;
import dev.thaw.agent.fetch.FetchSettings;
import dev.thaw.agent.fetch.OnFailure;
import dev.thaw.agent.http.StatusServer;
import dev.thaw.agent.image.ImageEntry;
import dev.thaw.agent.image.ImageStore;
import dev.thaw.agent.image.ImageTable;
import dev.thaw.agent.image.LearnedTraces;
import dev.thaw.agent.image.RegistryAccess;
import dev.thaw.agent.learn.KeptTraces;
import dev.thaw.agent.mount.MountDriver;
import dev.thaw.agent.node.ColdStartSpool;
import dev.thaw.agent.node.NodeReporter;
import dev.thaw.agent.node.NodeServiceConnection;
import dev.thaw.agent.node.NodeState;
import dev.thaw.agent.node.OperatorTraces;
import dev.thaw.agent.node.TraceReporter;
import dev.thaw.agent.node.WatchedImages;
import dev.thaw.agent.node.WatchedWarmups;
import dev.thaw.agent.registry.NamedImages;
import dev.thaw.agent.registry.NodeCredentialSources;
import dev.thaw.agent.registry.RegistryClients;
import dev.thaw.agent.snapshot.SnapshotRecords;
import dev.thaw.agent.snapshot.SnapshotServer;
import dev.thaw.agent.snapshot.SnapshotSettings;
import dev.thaw.agent.snapshot.Snapshots;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.FileDescriptorMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The parts of the agent, put together. First the mounts of containers that run, then the rest in the order in which they
 * need each other, containerd's socket last: what it finds there works. They end the other way round.
 */
final class Agent implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Agent.class);

    /** How long what nobody reads must be quiet before a started image is filled. */
    private static final Duration QUIET = Duration.ofSeconds(10);

    /** What those read who have waited for this agent has the processors to itself for so long at most. */
    private static final Duration READERS_FIRST = Duration.ofMillis(300);

    private static final String VERSION = "0.1.0";

    /** The JVM says by itself if the cache that it is given is of no use, and goes on without. */
    private static final String AOT_CACHE = "-XX:AOTCache=";

    /**
     * When it is told what a start fetches and reads, after the process started: often at first, so that little is counted
     * past Ready.
     */
    private static final List<Duration> TOLD_AGAIN = Stream.of(1, 2, 4, 6, 9, 13, 19, 28, 60, 300)
            .map(Duration::ofSeconds)
            .toList();

    private final Deque<AutoCloseable> parts = new ArrayDeque<>();
    private boolean tookOver;
    private volatile List<String> unreadiness = List.of("the agent is starting");

    private Agent() {}

    /**
     * Starts all that {@code thaw-agent serve} does.
     *
     * @throws AgentException when this node cannot serve lazy images
     * @throws IOException when the configuration names what cannot be read, or a port that is taken
     */
    static Agent start(AgentSettings settings) throws AgentException, IOException {
        return start(
                settings,
                metrics -> MountDriver.choose(settings.driver(), settings.root(), settings.holder(), metrics));
    }

    /** The way to mount images. */
    @FunctionalInterface
    interface Drivers {
        MountDriver choose(MeterRegistry metrics) throws AgentException;
    }

    static Agent start(AgentSettings settings, Drivers drivers) throws AgentException, IOException {
        var agent = new Agent();
        try {
            agent.build(settings, drivers);
            return agent;
        } catch (AgentException | IOException | RuntimeException e) {
            agent.close();
            throw e;
        }
    }

    private void build(AgentSettings settings, Drivers drivers) throws AgentException, IOException {
        Files.createDirectories(settings.root());
        var metrics = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        parts.push(metrics::close);
        // Containers may have waited for their reads since the agent before this one ended: nothing comes before them.
        // What is on disk needs no registry.
        var driver = part(drivers.choose(metrics));
        var reach = new CompletableFuture<Reach>();
        var images = part(new ImageStore(
                settings.root(),
                artifact -> reach.join().table().find(artifact),
                entry -> reach.join().access().client(entry),
                artifact -> reach.join().traces().of(artifact),
                cacheSettings(settings),
                fetchSettings(settings),
                driver,
                metrics));
        parts.push(driver::leave);
        tookOver = !driver.takenOver().isEmpty();
        parts.push(() -> reach.completeExceptionally(new IllegalStateException("the agent is ending")));
        giveWay(images);

        var nodeService = settings.nodeService().map(address -> lowest(new NodeServiceConnection(address)));
        var learning = learning(settings, nodeService, images);
        var credentials = new NodeCredentialSources(settings.credentials(), Clock.systemUTC());
        var clients = lowest(new RegistryClients(settings, entry -> credentials.with(() -> own(nodeService, entry))));
        reach.complete(new Reach(
                table(settings, nodeService, clients.client(credentials.ofNode())), clients, learning.known()));
        bindJvm(metrics);
        part(new StatusServer(
                new InetSocketAddress(settings.http().address(), settings.http().port()), metrics, () -> unreadiness));

        var containerd = part(new Containerd(settings.containerd().socket()));
        var records = part(SnapshotRecords.open(settings.root().resolve("records.db")));
        var late = new AtomicReference<Snapshots>();
        var lateClock = new AtomicReference<ColdStartClock>();
        var spool = nodeService.isEmpty()
                ? Optional.<ColdStartSpool>empty()
                : Optional.of(part(
                        new ColdStartSpool(nodeService.get(), settings.root().resolve("cold-starts"))));
        var clock = part(new ColdStartClock(
                containerd,
                () -> late.get()::lazyRoot,
                images,
                sink(images, spool, learning.learner(), lateClock::get),
                metrics));
        var snapshots = part(new Snapshots(
                SnapshotSettings.in(settings.root().resolve("snapshots")), records, images, clock, Clock.systemUTC()));
        late.set(snapshots);
        lateClock.set(clock);
        var warmups = settings.root().resolve("warmups.pb");
        if (nodeService.isPresent()) {
            images.hold(WatchedWarmups.saved(warmups));
        }
        snapshots.restore();
        part(SnapshotServer.start(settings.socket(), snapshots, metrics));
        clock.start();
        if (nodeService.isPresent()) {
            var reporter = part(new NodeReporter(
                    nodeService.get(),
                    new NodeState(VERSION, images, driver, containerd, credentials::problems)::report));
            images.onWarmth(reporter::changed);
            part(new WatchedWarmups(
                    nodeService.get(), warmups, wanted -> images.hold(wanted).forEach(snapshots::needNoLonger)));
        }
        unreadiness = List.of();
        var machine = ManagementFactory.getRuntimeMXBean();
        log.info(
                "serves containerd on {}, {} ms after the start {} an AOT cache",
                settings.socket(),
                machine.getUptime(),
                machine.getInputArguments().stream().anyMatch(argument -> argument.startsWith(AOT_CACHE))
                        ? "with"
                        : "without");
    }

    private static void giveWay(ImageStore images) throws IOException {
        try {
            images.takeOver(READERS_FIRST);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("the start of the agent was interrupted");
        }
    }

    /** Whether mounts of an agent before this one are served, whose readers may have waited. */
    boolean tookOver() {
        return tookOver;
    }

    private <T extends AutoCloseable> T part(T part) {
        parts.push(part);
        return part;
    }

    /** A part on which others stand that were made before it. */
    private <T extends AutoCloseable> T lowest(T part) {
        parts.addLast(part);
        return part;
    }

    /** The way to images that are not on disk, which is made while those that are can be read already. */
    private record Reach(ImageTable table, RegistryAccess access, LearnedTraces traces) {}

    /** Who knows what starts read, and who is told of starts. */
    private record Learning(LearnedTraces known, Consumer<ColdStart> learner) {}

    private Learning learning(AgentSettings settings, Optional<NodeServiceConnection> nodeService, ImageStore images) {
        if (nodeService.isEmpty()) {
            var kept = lowest(new KeptTraces(settings.traces(), images::recording, KeptTraces.Over.USUALLY));
            return new Learning(kept, kept::started);
        }
        var reporter = lowest(new TraceReporter(
                nodeService.get(), images::recording, TOLD_AGAIN, Executors.newVirtualThreadPerTaskExecutor()));
        return new Learning(new OperatorTraces(nodeService.get()), reporter::started);
    }

    private void bindJvm(MeterRegistry registry) {
        new JvmMemoryMetrics().bindTo(registry);
        var gc = part(new JvmGcMetrics());
        gc.bindTo(registry);
        new JvmThreadMetrics().bindTo(registry);
        new ProcessorMetrics().bindTo(registry);
        new FileDescriptorMetrics().bindTo(registry);
        new UptimeMetrics().bindTo(registry);
    }

    private ImageTable table(AgentSettings settings, Optional<NodeServiceConnection> nodeService, RegistryClient client)
            throws IOException {
        var tables = new ArrayList<ImageTable>();
        if (nodeService.isPresent()) {
            tables.add(
                    lowest(new WatchedImages(nodeService.get(), settings.root().resolve("images.pb"))));
        }
        if (!settings.images().isEmpty()) {
            var named = new NamedImages(
                    settings.images().stream().map(Reference::parse).toList(),
                    RegistryClients.registrySettings(settings).plainHttpHosts(),
                    client,
                    Clock.systemUTC());
            Thread.ofVirtual().name("named-images").start(named::lookAhead);
            tables.add(named);
        }
        return artifact ->
                tables.stream().flatMap(table -> table.find(artifact).stream()).findFirst();
    }

    /** What the operator has for an image of a LazyImage. */
    private static Optional<CredentialSource> own(Optional<NodeServiceConnection> nodeService, ImageEntry image) {
        return nodeService
                .filter(connection -> image.name().isPresent())
                .map(connection -> connection.credentialsFor(image, Clock.systemUTC()));
    }

    /** Reports a start at once, and again as what it fetches until it is ready becomes known. */
    private ColdStartSink sink(
            ImageStore images,
            Optional<ColdStartSpool> spool,
            Consumer<ColdStart> learner,
            Supplier<ColdStartClock> clock) {
        var later = Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().daemon().name("cold-starts-again").factory());
        parts.push(later::shutdownNow);
        return start -> {
            images.started(start.artifact());
            learner.accept(start);
            spool.ifPresent(reports -> {
                reports.report(start);
                for (var delay : TOLD_AGAIN) {
                    later.schedule(
                            () -> clock.get().again(start.containerId()).ifPresent(reports::report),
                            delay.toMillis(),
                            TimeUnit.MILLISECONDS);
                }
            });
        };
    }

    private static CacheSettings cacheSettings(AgentSettings settings) {
        var cache = settings.cache();
        return new CacheSettings(
                cache.path(),
                cache.maxSize().bytes(),
                cache.highWatermark(),
                cache.lowWatermark(),
                cache.minFree().bytes());
    }

    private static FetchSettings fetchSettings(AgentSettings settings) {
        var fetch = settings.fetch();
        return new FetchSettings(
                        fetch.parallelism(),
                        fetch.rangeSize().bytes(),
                        fetch.readTimeout().duration(),
                        switch (fetch.onFailure()) {
                            case Block -> OnFailure.BLOCK;
                            case Error -> OnFailure.ERROR;
                        },
                        fetch.retries(),
                        fetch.bandwidth()
                                .map(size -> OptionalLong.of(size.bytes()))
                                .orElse(OptionalLong.empty()),
                        QUIET)
                .withNeighbours();
    }

    @Override
    public void close() {
        unreadiness = List.of("the agent is ending");
        while (!parts.isEmpty()) {
            var part = parts.pop();
            try {
                part.close();
            } catch (Exception e) {
                log.warn("{} did not end well: {}", part.getClass().getSimpleName(), e.getMessage(), e);
            }
        }
    }
}
