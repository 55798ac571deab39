package dev.thaw.operator;

import dev.thaw.operator.admission.PodWebhook;
import dev.thaw.operator.admission.WaitingPodReconciler;
import dev.thaw.operator.certificates.Certificates;
import dev.thaw.operator.image.LazyImageReconciler;
import dev.thaw.operator.node.NodeServer;
import dev.thaw.operator.registry.HttpImageRegistry;
import dev.thaw.operator.registry.RegistryEntry;
import dev.thaw.operator.rollout.AgentNodeReconciler;
import dev.thaw.operator.rollout.Apply;
import dev.thaw.operator.rollout.SnapshotterConfigReconciler;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.extended.leaderelection.LeaderCallbacks;
import io.javaoperatorsdk.operator.Operator;
import io.javaoperatorsdk.operator.api.config.ConfigurationServiceOverrider;
import io.javaoperatorsdk.operator.api.config.ControllerConfigurationOverrider;
import io.javaoperatorsdk.operator.api.config.LeaderElectionConfiguration;
import io.javaoperatorsdk.operator.monitoring.micrometer.MicrometerMetrics;
import io.javaoperatorsdk.operator.processing.event.rate.LinearRateLimiter;
import io.micrometer.core.instrument.binder.jvm.ClassLoaderMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The running operator: makes its parts, starts them in order, and ends them in the opposite one. */
public final class OperatorProgram implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(OperatorProgram.class);
    private static final Duration SYNC_LIMIT = Duration.ofMinutes(2);
    private static final Duration RECONCILE_GRACE = Duration.ofSeconds(10);

    /** Nodes report often; what they say is written down a few times a minute. */
    private static final LinearRateLimiter CALM = new LinearRateLimiter(Duration.ofSeconds(5), 3);

    private final Settings settings;
    private final KubernetesClient client;
    private final Runnable exit;
    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final JvmGcMetrics garbage = new JvmGcMetrics();
    private final ExecutorService reconciliations = Executors.newVirtualThreadPerTaskExecutor();
    private final Leadership leadership;
    private final Certificates certificates;
    private final Optional<PodWebhook> webhook;
    private final NodeServer nodes;
    private final Operator operator;
    private final HttpEndpoints http;
    private volatile boolean started;
    private volatile boolean leading;
    private volatile boolean closing;
    private final AtomicBoolean closed = new AtomicBoolean();

    /**
     * @param apply how objects are applied; server-side, but for tests
     * @param exit ends the process: called when this replica no longer leads, for nothing of its caches may live on
     * @throws IOException when the HTTP port cannot be bound
     */
    public OperatorProgram(
            Settings settings,
            KubernetesClient client,
            Apply apply,
            Consumer<ConfigurationServiceOverrider> adjustment,
            Runnable exit)
            throws IOException {
        this.settings = settings;
        this.client = client;
        this.exit = exit;
        var clock = Clock.systemUTC();
        bindMachine();
        leadership = new Leadership(client, settings);
        certificates = new Certificates(settings.certificateSettings(), client, clock);
        webhook = settings.webhookConfiguration()
                .map(ignored -> new PodWebhook(
                        client,
                        settings.admission(),
                        new HttpImageRegistry(RegistryEntry.settings(settings.registries())),
                        registry));
        nodes = new NodeServer(client, settings.nodeServer(), certificates.node(), registry, clock);
        operator = new Operator(overrider -> {
            configure(overrider);
            adjustment.accept(overrider);
        });
        operator.register(
                new LazyImageReconciler(
                        client, settings.converter(), settings.registries(), nodes.knowledge(), registry, clock),
                this::watched);
        operator.register(
                new SnapshotterConfigReconciler(settings.rollout(), nodes.reports(), apply, clock),
                controller -> controller.withRateLimiter(CALM));
        operator.register(new AgentNodeReconciler(settings.rollout(), nodes.reports(), clock));
        operator.register(new WaitingPodReconciler(clock), this::watched);
        http = new HttpEndpoints(settings.httpPort(), registry, this::unhealthy, this::unready);
    }

    private void bindMachine() {
        new ClassLoaderMetrics().bindTo(registry);
        new JvmMemoryMetrics().bindTo(registry);
        garbage.bindTo(registry);
        new JvmThreadMetrics().bindTo(registry);
        new ProcessorMetrics().bindTo(registry);
        new UptimeMetrics().bindTo(registry);
    }

    private void configure(ConfigurationServiceOverrider overrider) {
        overrider
                .withKubernetesClient(client)
                .withCloseClientOnStop(false)
                .withMetrics(MicrometerMetrics.withoutPerResourceMetrics(registry))
                .withExecutorService(reconciliations)
                .withCacheSyncTimeout(SYNC_LIMIT)
                .withReconciliationTerminationTimeout(RECONCILE_GRACE);
        settings.lease()
                .ifPresent(lease -> overrider.withLeaderElectionConfiguration(new LeaderElectionConfiguration(
                        lease,
                        settings.namespace(),
                        LeaderElectionConfiguration.LEASE_DURATION_DEFAULT_VALUE,
                        LeaderElectionConfiguration.RENEW_DEADLINE_DEFAULT_VALUE,
                        LeaderElectionConfiguration.RETRY_PERIOD_DEFAULT_VALUE,
                        settings.podName(),
                        new LeaderCallbacks(
                                this::startLeading, this::stopLeading, leader -> LOG.info("{} leads", leader)),
                        false)));
    }

    private <P extends HasMetadata> void watched(ControllerConfigurationOverrider<P> controller) {
        if (!settings.watchNamespaces().isEmpty()) {
            controller.settingNamespaces(settings.watchNamespaces());
        }
    }

    /**
     * Starts everything. Returns once the caches are filled; whether this replica leads shows later.
     *
     * @throws IOException when a port cannot be bound
     */
    public void start() throws IOException, GeneralSecurityException {
        certificates.start();
        leadership.forget();
        if (webhook.isPresent()) {
            webhook.get().start(certificates.webhook().context());
        }
        operator.start();
        started = true;
        if (settings.lease().isEmpty()) {
            startLeading();
        }
        LOG.info("Thaw's operator is running");
    }

    /** Does not hold up whoever calls: the election renews its Lease on that thread. */
    private void startLeading() {
        Thread.ofVirtual().name("leading").start(() -> {
            try {
                nodes.start();
                leading = true;
                leadership.announce();
                leadership.applyDefaultConfig();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (IOException | RuntimeException e) {
                LOG.error("This replica cannot lead: {}", e.getMessage(), e);
                exit.run();
            }
        });
    }

    private void stopLeading() {
        leading = false;
        if (!closing) {
            LOG.error("This replica leads no more: it ends, and begins anew");
            exit.run();
        }
    }

    int httpPort() {
        return http.port();
    }

    private List<String> unhealthy() {
        return started && !operator.getRuntimeInfo().allEventSourcesAreHealthy()
                ? List.of("an informer has stopped: "
                        + operator.getRuntimeInfo().unhealthyEventSources().keySet())
                : List.of();
    }

    private List<String> unready() {
        var missing = new ArrayList<String>();
        if (closing) {
            missing.add("the operator is ending");
        }
        if (!started) {
            missing.add("the caches are not filled yet");
        }
        if (!certificates.areLoaded()) {
            missing.add("there is no certificate yet");
        }
        if (webhook.filter(found -> !found.isReady()).isPresent()) {
            missing.add("the webhook does not know the cluster yet");
        }
        if (leading && !nodes.isReady()) {
            missing.add("the NodeService does not listen");
        }
        return missing;
    }

    /** Says at once that it is no longer ready; the rest may follow a moment later, when no request comes any more. */
    void retire() {
        closing = true;
    }

    @Override
    public void close() {
        closing = true;
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        webhook.ifPresent(PodWebhook::close);
        nodes.close();
        operator.stop();
        certificates.close();
        reconciliations.shutdownNow();
        http.close();
        garbage.close();
        registry.close();
    }
}
