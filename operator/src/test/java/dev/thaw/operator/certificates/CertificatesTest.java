package dev.thaw.operator.certificates;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.operator.certificates.CertificateSettings.Origin;
import io.fabric8.kubernetes.api.model.admissionregistration.v1.MutatingWebhookConfigurationBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@EnableKubernetesMockClient(crud = true)
class CertificatesTest {
    private static final RenewalPolicy POLICY =
            new RenewalPolicy(Duration.ofDays(300), Duration.ofDays(30), Duration.ofMinutes(15));

    KubernetesClient client;
    private final FakeTime time = new FakeTime(Instant.now().minus(Duration.ofDays(21)));

    @Test
    void keepsSecretsAndTellsTheApiServerAndTheAgents() {
        webhookConfiguration();
        try (var certificates = selfMade()) {
            assertThat(certificates.areLoaded()).isFalse();
            certificates.refresh();

            assertThat(certificates.areLoaded()).isTrue();
            var secret =
                    client.secrets().inNamespace("thaw").withName("hook-tls").get();
            assertThat(secret.getData()).containsOnlyKeys("tls.crt", "tls.key", "ca.crt", "ca.key");
            assertThat(client.admissionRegistration()
                            .v1()
                            .mutatingWebhookConfigurations()
                            .withName("thaw")
                            .get()
                            .getWebhooks())
                    .allSatisfy(webhook -> assertThat(webhook.getClientConfig().getCaBundle())
                            .isEqualTo(secret.getData().get("ca.crt")));
            var agents = client.configMaps()
                    .inNamespace("thaw")
                    .withName("thaw-node-ca")
                    .get();
            var node = client.secrets().inNamespace("thaw").withName("node-tls").get();
            assertThat(agents.getData().get("ca.crt"))
                    .isEqualTo(text(node.getData().get("ca.crt")));
        }
    }

    @Test
    void replicasThatStartTogetherServeTheSameCertificate() throws Exception {
        try (var one = selfMade();
                var other = selfMade();
                var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var both = threads.invokeAll(List.<Callable<Void>>of(refresh(one), refresh(other)));
            for (var result : both) {
                result.get();
            }
            // the one that lost the race has what the other wrote, now or at its next look
            one.refresh();
            other.refresh();

            assertThat(shown(one.node())).isEqualTo(shown(other.node()));
            assertThat(shown(one.webhook())).isEqualTo(shown(other.webhook()));
        }
    }

    @Test
    void aConnectionMadeAfterARenewalIsShownTheNewCertificateWithoutARestart() throws Exception {
        try (var certificates = selfMade()) {
            certificates.refresh();
            try (var server = (SSLServerSocket)
                    certificates.node().context().getServerSocketFactory().createServerSocket(0)) {
                var before = handshake(server, agentsTrust());

                time.pass(Duration.ofDays(21));
                certificates.refresh();
                var after = handshake(server, agentsTrust());

                assertThat(after).isNotEqualTo(before);
                assertThat(after).isEqualTo(shown(certificates.node()));
            }
        }
    }

    @Test
    void aDamagedSecretIsMadeAnew() {
        try (var certificates = selfMade()) {
            certificates.refresh();
            client.secrets().inNamespace("thaw").withName("node-tls").edit(secret -> {
                secret.getData()
                        .put(
                                "tls.crt",
                                Base64.getEncoder().encodeToString("nonsense".getBytes(StandardCharsets.UTF_8)));
                return secret;
            });
            var before = shown(certificates.node());

            certificates.refresh();

            assertThat(shown(certificates.node())).isNotEqualTo(before);
        }
    }

    @Test
    void mountedFilesAreReadAgainWhenTheyChange(@TempDir Path folder) throws Exception {
        var hook = mount(folder.resolve("hook"), "hook.thaw.svc");
        var first = mount(folder.resolve("node"), "node.thaw.svc");
        var origin = new Origin.Mounted(folder.resolve("hook"), folder.resolve("node"));
        try (var certificates = new Certificates(settings(origin), client, time, POLICY)) {
            certificates.refresh();
            assertThat(shown(certificates.webhook())).isEqualTo(hook);
            assertThat(shown(certificates.node())).isEqualTo(first);

            var second = mount(folder.resolve("node"), "node.thaw.svc");
            certificates.refresh();
            assertThat(shown(certificates.node())).isEqualTo(second);

            Files.writeString(folder.resolve("node").resolve("tls.key"), "half a fi");
            certificates.refresh();
            assertThat(shown(certificates.node()))
                    .as("goes on with the last good one")
                    .isEqualTo(second);
        }
    }

    private X509Certificate mount(Path folder, String name) throws Exception {
        var state = POLICY.first("mounted", List.of(name), time.instant());
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("tls.crt"), Pem.write(List.of(state.serving())));
        Files.writeString(folder.resolve("tls.key"), Pem.write(state.servingKey()));
        Files.writeString(folder.resolve("ca.crt"), Pem.write(state.authorities()));
        return state.serving();
    }

    private static Callable<Void> refresh(Certificates certificates) {
        return () -> {
            certificates.refresh();
            return null;
        };
    }

    private static X509Certificate shown(RenewableKey key) {
        return key.getCertificateChain(key.chooseEngineServerAlias("EC", null, null))[0];
    }

    private static X509Certificate handshake(SSLServerSocket server, SSLContext trust) throws Exception {
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var served = threads.submit(() -> {
                try (var socket = (SSLSocket) server.accept()) {
                    socket.startHandshake();
                    socket.getOutputStream().write(1);
                }
                return null;
            });
            try (var socket = (SSLSocket) trust.getSocketFactory().createSocket("127.0.0.1", server.getLocalPort())) {
                socket.startHandshake();
                assertThat(socket.getInputStream().read()).isEqualTo(1);
                served.get();
                return (X509Certificate) socket.getSession().getPeerCertificates()[0];
            }
        }
    }

    private SSLContext agentsTrust() throws Exception {
        var bundle = client.configMaps()
                .inNamespace("thaw")
                .withName("thaw-node-ca")
                .get()
                .getData()
                .get("ca.crt");
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        int number = 0;
        for (var certificate : CertificateFactory.getInstance("X.509")
                .generateCertificates(new ByteArrayInputStream(bundle.getBytes(StandardCharsets.UTF_8)))) {
            store.setCertificateEntry("ca" + number++, certificate);
        }
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }

    private void webhookConfiguration() {
        client.resource(new MutatingWebhookConfigurationBuilder()
                        .withNewMetadata()
                        .withName("thaw")
                        .endMetadata()
                        .addNewWebhook()
                        .withName("pods.thaw.dev")
                        .withNewClientConfig()
                        .withNewService()
                        .withName("hook")
                        .withNamespace("thaw")
                        .endService()
                        .endClientConfig()
                        .endWebhook()
                        .build())
                .create();
    }

    private Certificates selfMade() {
        return new Certificates(
                settings(new Origin.SelfMade("hook-tls", "node-tls", Optional.of("thaw"))), client, time, POLICY);
    }

    private static CertificateSettings settings(Origin origin) {
        return new CertificateSettings(
                "thaw", origin, List.of("hook.thaw.svc"), List.of("node.thaw.svc"), "thaw-node-ca");
    }

    private static String text(String base64) {
        return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
    }
}
