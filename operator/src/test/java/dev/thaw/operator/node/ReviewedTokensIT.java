package dev.thaw.operator.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.ServiceAccountBuilder;
import io.fabric8.kubernetes.api.model.authentication.BoundObjectReference;
import io.fabric8.kubernetes.api.model.authentication.TokenRequestBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.grpc.Status;
import io.grpc.StatusException;
import java.io.File;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tokens that a real kube-apiserver issues and reviews; named by {@code THAW_IT_KUBECONFIG}. */
class ReviewedTokensIT {
    private static final String ACCOUNT = "thaw-node-agent";
    private KubernetesClient client;
    private String namespace;
    private Tokens tokens;

    @BeforeEach
    void start() {
        var kubeconfig = System.getenv("THAW_IT_KUBECONFIG");
        assumeTrue(kubeconfig != null, "THAW_IT_KUBECONFIG names no kubeconfig of a bare kube-apiserver");
        client = new KubernetesClientBuilder()
                .withConfig(Config.fromKubeconfig(new File(kubeconfig)))
                .build();
        namespace = "it-" + Long.toHexString(System.nanoTime());
        client.resource(new NamespaceBuilder()
                        .withNewMetadata()
                        .withName(namespace)
                        .endMetadata()
                        .build())
                .create();
        account(ACCOUNT);
        account("somebody");
        tokens = new ReviewedTokens(
                client,
                new NodeServerSettings(0, "thaw.dev", namespace, "thaw-node-service", ACCOUNT, Set.of(), List.of()));
    }

    @AfterEach
    void stop() {
        if (client != null) {
            client.namespaces().withName(namespace).delete();
            client.close();
        }
    }

    @Test
    void letsTheAgentInAndKnowsItsNode() throws StatusException {
        assertThat(tokens.caller(token(ACCOUNT, "thaw.dev", pod(ACCOUNT, "agent-1"))))
                .isEqualTo(new Caller("node-1", "agent-1"));
    }

    @Test
    void refusesEverybodyElse() {
        assertRefused(Status.Code.UNAUTHENTICATED, "nonsense");
        assertRefused(Status.Code.UNAUTHENTICATED, token(ACCOUNT, "somewhere.else", pod(ACCOUNT, "agent-2")));
        assertRefused(Status.Code.PERMISSION_DENIED, token("somebody", "thaw.dev", pod("somebody", "other")));
        assertRefused(Status.Code.PERMISSION_DENIED, token(ACCOUNT, "thaw.dev", null));
    }

    private void assertRefused(Status.Code code, String token) {
        assertThatThrownBy(() -> tokens.caller(token))
                .isInstanceOfSatisfying(
                        StatusException.class,
                        e -> assertThat(e.getStatus().getCode()).isEqualTo(code));
    }

    private void account(String name) {
        client.resource(new ServiceAccountBuilder()
                        .withNewMetadata()
                        .withNamespace(namespace)
                        .withName(name)
                        .endMetadata()
                        .build())
                .create();
    }

    private BoundObjectReference pod(String account, String name) {
        var pod = client.resource(new PodBuilder()
                        .withNewMetadata()
                        .withNamespace(namespace)
                        .withName(name)
                        .endMetadata()
                        .withNewSpec()
                        .withServiceAccountName(account)
                        .withNodeName("node-1")
                        .addNewContainer()
                        .withName("agent")
                        .withImage("registry.example/agent")
                        .endContainer()
                        .endSpec()
                        .build())
                .create();
        return new BoundObjectReference("v1", "Pod", name, pod.getMetadata().getUid());
    }

    private String token(String account, String audience, BoundObjectReference bound) {
        return client.serviceAccounts()
                .inNamespace(namespace)
                .withName(account)
                .tokenRequest(new TokenRequestBuilder()
                        .withNewSpec()
                        .withAudiences(audience)
                        .withExpirationSeconds(3600L)
                        .withBoundObjectRef(bound)
                        .endSpec()
                        .build())
                .getStatus()
                .getToken();
    }
}
