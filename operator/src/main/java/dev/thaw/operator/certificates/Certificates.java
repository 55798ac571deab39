package dev.thaw.operator.certificates;

import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Keeps the keys of the operator's servers fresh, and tells their clients whom to trust. */
public final class Certificates implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Certificates.class);
    private static final Duration INTERVAL = Duration.ofMinutes(1);

    private record Server(String name, ServingSource source, RenewableKey key, List<AuthorityAudience> audience) {}

    private final RenewableKey webhook = new RenewableKey();
    private final RenewableKey node = new RenewableKey();
    private final List<Server> servers = new ArrayList<>();
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(
            Thread.ofVirtual().name("certificates").factory());

    public Certificates(CertificateSettings settings, KubernetesClient client, InstantSource clock) {
        this(settings, client, clock, RenewalPolicy.DEFAULT);
    }

    Certificates(CertificateSettings settings, KubernetesClient client, InstantSource clock, RenewalPolicy policy) {
        var agents = new AuthorityAudience.Agents(client, settings.namespace(), settings.agentAuthorities());
        switch (settings.origin()) {
            case CertificateSettings.Origin.SelfMade made -> {
                if (!settings.webhookNames().isEmpty()) {
                    List<AuthorityAudience> callers = made.webhookConfiguration().stream()
                            .<AuthorityAudience>map(name -> new AuthorityAudience.ApiServer(client, name))
                            .toList();
                    servers.add(new Server(
                            "webhook",
                            new SelfMadeSource(
                                    client,
                                    settings.namespace(),
                                    made.webhookSecret(),
                                    settings.webhookNames(),
                                    policy,
                                    clock),
                            webhook,
                            callers));
                }
                servers.add(new Server(
                        "NodeService",
                        new SelfMadeSource(
                                client, settings.namespace(), made.nodeSecret(), settings.nodeNames(), policy, clock),
                        node,
                        List.of(agents)));
            }
            case CertificateSettings.Origin.Mounted mounted -> {
                if (!settings.webhookNames().isEmpty()) {
                    servers.add(new Server("webhook", new MountedSource(mounted.webhookFolder()), webhook, List.of()));
                }
                servers.add(new Server("NodeService", new MountedSource(mounted.nodeFolder()), node, List.of(agents)));
            }
        }
    }

    /** The webhook's key; never loaded when there is no webhook. */
    public RenewableKey webhook() {
        return webhook;
    }

    /** The NodeService's key. */
    public RenewableKey node() {
        return node;
    }

    /** True once every server has something to show. */
    public boolean areLoaded() {
        return servers.stream().allMatch(server -> server.key().isLoaded());
    }

    /** Looks at once, then once a minute. A look that fails is reported and repeated. */
    public void start() {
        refresh();
        var _ = timer.scheduleWithFixedDelay(
                this::refresh, INTERVAL.toSeconds(), INTERVAL.toSeconds(), TimeUnit.SECONDS);
    }

    void refresh() {
        for (var server : servers) {
            try {
                var serving = server.source().load();
                tell(server, serving);
                if (server.key().use(serving)) {
                    LOG.info(
                            "The {} shows a certificate that ends {}",
                            server.name(),
                            serving.chain().getFirst().getNotAfter().toInstant());
                }
            } catch (IOException | GeneralSecurityException e) {
                LOG.error("The certificate of the {} could not be looked after: {}", server.name(), e.getMessage());
                LOG.debug("Cause", e);
            }
        }
    }

    private static void tell(Server server, Serving serving) throws GeneralSecurityException {
        if (serving.authorities().isEmpty()) {
            return;
        }
        var bundle = Pem.write(serving.authorities());
        for (var audience : server.audience()) {
            try {
                audience.tell(bundle);
            } catch (KubernetesClientException e) {
                LOG.error("The authority of the {} could not be made known: {}", server.name(), e.getMessage());
                LOG.debug("Cause", e);
            }
        }
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }
}
