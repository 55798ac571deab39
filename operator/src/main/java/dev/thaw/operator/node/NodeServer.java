package dev.thaw.operator.node;

import dev.thaw.crds.LazyImage;
import dev.thaw.operator.registry.RegistryEntry;
import dev.thaw.operator.registry.RegistrySecrets;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import io.fabric8.kubernetes.client.informers.cache.ReducedStateItemStore;
import io.grpc.Server;
import io.grpc.ServerCredentials;
import io.grpc.TlsServerCredentials;
import io.grpc.netty.NettyServerBuilder;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.time.Clock;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.net.ssl.X509ExtendedKeyManager;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The server that node agents talk to: gRPC over TLS. It is built on every replica, for {@link #reports} and
 * {@link #coldStarts} to be asked, and started on the one that leads.
 */
public final class NodeServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(NodeServer.class);

    /** A stream lives no longer: the agent comes back with a fresh token, which is reviewed again. */
    private static final long LONGEST_CONNECTION_MINUTES = 60;

    /** A call of an agent lasts no longer once the connection is to end, and on shutdown. */
    private static final long DRAIN_SECONDS = 5;

    private static final long PING_SECONDS = 30;
    private static final long LOOK_SECONDS = 15;

    /** News come in bunches. */
    private static final long PLAN_DELAY_MILLIS = 200;

    private final NodeServerSettings settings;
    private final ImageTable images;
    private final Pods pods;
    private final List<SharedIndexInformer<LazyImage>> informers;
    private final NodeReportTable reports;
    private final ColdStarts coldStarts;
    private final Traces traces;
    private final SharedIndexInformer<Node> nodes;
    private final Warmups warmups;
    private final AtomicBoolean planned = new AtomicBoolean();
    private final ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();
    private final ScheduledExecutorService looks = Executors.newSingleThreadScheduledExecutor(
            Thread.ofVirtual().name("node-reports").factory());
    private final NettyServerBuilder builder;
    private volatile @Nullable Server server;

    /** @param key shown to agents; asked at each handshake, so that a renewed certificate is used from then on */
    public NodeServer(
            KubernetesClient client,
            NodeServerSettings settings,
            X509ExtendedKeyManager key,
            MeterRegistry meters,
            Clock clock) {
        this(
                client,
                settings,
                TlsServerCredentials.newBuilder().keyManager(key).build(),
                new RememberedTokens(new ReviewedTokens(client, settings), clock),
                meters,
                clock);
    }

    NodeServer(
            KubernetesClient client,
            NodeServerSettings settings,
            ServerCredentials credentials,
            Tokens tokens,
            MeterRegistry meters,
            Clock clock) {
        this.settings = settings;
        images = new ImageTable(RegistryEntry.plainHttpHosts(settings.registries()));
        pods = new Pods(client, settings.watchNamespaces());
        reports = new NodeReportTable(clock);
        coldStarts = new ColdStarts(clock, new ColdStartMetrics(meters));
        traces = new Traces(new ConfigMapTraces(client, settings.operatorNamespace(), settings.service()), calls);
        pods.onChange(coldStarts::podChanged);
        var namespaces = settings.watchNamespaces();
        informers = namespaces.isEmpty()
                ? List.of(
                        watch(client.resources(LazyImage.class).inAnyNamespace().runnableInformer(0)))
                : namespaces.stream()
                        .map(namespace -> watch(client.resources(LazyImage.class)
                                .inNamespace(namespace)
                                .runnableInformer(0)))
                        .toList();
        nodes = nodes(client);
        warmups = new Warmups(this::lazyImages, this::watchedNodes, reports, traces, clock);
        reports.onChange(this::planSoon);
        traces.onChange(this::planSoon);
        var endpoint = new NodeEndpoint(
                images, pods, new RegistrySecrets(client), reports, coldStarts, traces, warmups, this::planSoon, clock);
        builder = NettyServerBuilder.forPort(settings.port(), credentials)
                .executor(calls)
                .intercept(new AgentAuthentication(tokens))
                .intercept(new CallMetrics(meters))
                .addService(endpoint)
                .maxConnectionAge(LONGEST_CONNECTION_MINUTES, TimeUnit.MINUTES)
                .maxConnectionAgeGrace(DRAIN_SECONDS, TimeUnit.SECONDS)
                .keepAliveTime(PING_SECONDS, TimeUnit.SECONDS)
                .permitKeepAliveTime(PING_SECONDS / 2, TimeUnit.SECONDS)
                .permitKeepAliveWithoutCalls(true);
    }

    /**
     * Learns the images and pods of the cluster, then listens.
     *
     * @throws IOException if the port cannot be had
     */
    public void start() throws IOException {
        pods.start();
        informers.forEach(informer -> informer.start().toCompletableFuture().join());
        nodes.start().toCompletableFuture().join();
        forgetNeedlessTraces();
        server = builder.build().start();
        planSoon();
        var _ = looks.scheduleWithFixedDelay(this::look, LOOK_SECONDS, LOOK_SECONDS, TimeUnit.SECONDS);
        LOG.info("Node agents are served on port {}", port());
    }

    /** From the informers' stores: they are complete as soon as the server starts. */
    private Collection<LazyImage> lazyImages() {
        return informers.stream()
                .flatMap(informer -> informer.getStore().list().stream())
                .toList();
    }

    private Collection<WatchedNode> watchedNodes() {
        return nodes.getStore().list().stream().map(WatchedNode::of).toList();
    }

    /** Of nodes, which are large and change often, only what is needed is kept. */
    private SharedIndexInformer<Node> nodes(KubernetesClient client) {
        var informer = client.nodes().runnableInformer(0);
        informer.itemStore(new ReducedStateItemStore<>(
                ReducedStateItemStore.NAME_KEY_STATE,
                Node.class,
                client.getKubernetesSerialization(),
                "metadata.labels",
                "status.nodeInfo"));
        informer.addEventHandler(new ResourceEventHandler<>() {
            @Override
            public void onAdd(Node node) {
                planSoon();
            }

            @Override
            public void onUpdate(Node before, Node node) {
                if (!WatchedNode.of(before).equals(WatchedNode.of(node))) {
                    planSoon();
                }
            }

            @Override
            public void onDelete(Node node, boolean finalStateUnknown) {
                planSoon();
            }
        });
        return informer;
    }

    private void look() {
        reports.look();
        planSoon();
    }

    private void planSoon() {
        if (planned.compareAndSet(false, true)) {
            try {
                var _ = looks.schedule(this::plan, PLAN_DELAY_MILLIS, TimeUnit.MILLISECONDS);
            } catch (RejectedExecutionException e) {
                LOG.debug("The server of nodes is ending: nothing is planned any more");
            }
        }
    }

    private void plan() {
        planned.set(false);
        if (!isReady()) {
            return;
        }
        try {
            warmups.plan();
        } catch (RuntimeException e) {
            LOG.warn("What nodes are to hold could not be worked out; it is tried again with the next news", e);
        }
    }

    private void forgetNeedlessTraces() {
        var published = new HashSet<String>();
        lazyImages().forEach(image -> published.addAll(images.published(image).keySet()));
        try {
            traces.retain(published);
        } catch (KubernetesClientException e) {
            LOG.warn("What was learned of images that are gone is not deleted: {}", e.getMessage());
        }
        images.add(traces);
    }

    /** True while agents are served. */
    public boolean isReady() {
        var running = server;
        return running != null && !running.isShutdown();
    }

    /** The port that is listened on, once started; else the one that will be. */
    public int port() {
        var running = server;
        return running == null ? settings.port() : running.getPort();
    }

    /** What the nodes report. */
    public NodeReports reports() {
        return reports;
    }

    /** What was measured on them. */
    public ColdStarts coldStarts() {
        return coldStarts;
    }

    /** All that is known of the nodes. */
    public Nodes knowledge() {
        return new Nodes(reports, coldStarts, traces, warmups);
    }

    /** Stops taking calls, and gives those under way a few seconds. */
    @Override
    public void close() {
        looks.shutdownNow();
        var running = server;
        if (running != null) {
            running.shutdown();
            try {
                if (!running.awaitTermination(DRAIN_SECONDS, TimeUnit.SECONDS)) {
                    running.shutdownNow();
                }
            } catch (InterruptedException e) {
                running.shutdownNow();
                Thread.currentThread().interrupt();
            }
        }
        informers.forEach(SharedIndexInformer::stop);
        nodes.stop();
        pods.close();
        calls.shutdownNow();
    }

    private SharedIndexInformer<LazyImage> watch(SharedIndexInformer<LazyImage> informer) {
        informer.addEventHandler(new ResourceEventHandler<>() {
            @Override
            public void onAdd(LazyImage image) {
                images.put(image);
                planSoon();
            }

            @Override
            public void onUpdate(LazyImage before, LazyImage image) {
                images.put(image);
                planSoon();
            }

            @Override
            public void onDelete(LazyImage image, boolean finalStateUnknown) {
                images.remove(ImageName.of(image));
                coldStarts.forget(ImageName.of(image));
                planSoon();
            }
        });
        return informer;
    }
}
