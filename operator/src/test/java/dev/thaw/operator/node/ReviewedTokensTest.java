package dev.thaw.operator.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewStatus;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewStatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import io.grpc.Status;
import io.grpc.StatusException;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

@EnableKubernetesMockClient
class ReviewedTokensTest {
    private static final String AGENT = "system:serviceaccount:thaw-system:thaw-node-agent";
    private static final String PREFIX = "authentication.kubernetes.io/";

    KubernetesClient client;
    KubernetesMockServer server;
    private Tokens tokens;

    @BeforeEach
    void tokens() {
        tokens = new ReviewedTokens(
                client,
                new NodeServerSettings(
                        0, "thaw.dev", "thaw-system", "thaw-node-service", "thaw-node-agent", Set.of(), List.of()));
    }

    @Test
    void takesTheNodeFromTheToken() throws StatusException, InterruptedException {
        answer(status(AGENT, Map.of("pod-name", "agent-1", "node-name", "node-1"), "thaw.dev"));
        assertThat(tokens.caller("t")).isEqualTo(new Caller("node-1", "agent-1"));
        assertThat(server.takeRequest().getBody().readUtf8()).contains("\"audiences\":[\"thaw.dev\"]");
    }

    @Test
    void takesTheNodeFromThePodWhereTheTokenDoesNotNameIt() throws StatusException {
        answer(status(AGENT, Map.of("pod-name", "agent-1", "pod-uid", "u1"), "thaw.dev"));
        pod("u1");
        assertThat(tokens.caller("t")).isEqualTo(new Caller("node-2", "agent-1"));
    }

    @Test
    void refusesATokenOfAPodThatWasReplaced() {
        answer(status(AGENT, Map.of("pod-name", "agent-1", "pod-uid", "older"), "thaw.dev"));
        pod("u1");
        assertRefused(Status.Code.PERMISSION_DENIED);
    }

    @Test
    void refusesTokensThatAreBoundToNoPod() {
        answer(status(AGENT, Map.of("node-name", "node-1"), "thaw.dev"));
        assertRefused(Status.Code.PERMISSION_DENIED);
    }

    @Test
    void refusesOtherServiceAccounts() {
        answer(status(
                "system:serviceaccount:team:thaw-node-agent",
                Map.of("pod-name", "x", "node-name", "node-1"),
                "thaw.dev"));
        assertRefused(Status.Code.PERMISSION_DENIED);
    }

    @Test
    void refusesTokensMadeForSomebodyElse() {
        answer(status(AGENT, Map.of("pod-name", "agent-1", "node-name", "node-1")));
        assertRefused(Status.Code.UNAUTHENTICATED);
    }

    @Test
    void refusesTokensThatDoNotHold() {
        answer(new TokenReviewStatusBuilder()
                .withAuthenticated(false)
                .withError("expired")
                .build());
        assertRefused(Status.Code.UNAUTHENTICATED);
    }

    @Test
    void saysThatItCannotTellWhileTheApiServerDoesNotAnswer() {
        server.expect()
                .post()
                .withPath("/apis/authentication.k8s.io/v1/tokenreviews")
                .andReturn(403, "{}")
                .always();
        assertRefused(Status.Code.UNAVAILABLE);
    }

    @Test
    void asksOnceAMinuteAtMostForTheSameToken() throws StatusException {
        answer(status(AGENT, Map.of("pod-name", "agent-1", "node-name", "node-1"), "thaw.dev"));
        var remembered = new RememberedTokens(tokens, Clock.systemUTC());
        for (int i = 0; i < 5; i++) {
            assertThat(remembered.caller("t").node()).isEqualTo("node-1");
        }
        assertThat(server.getRequestCount()).isEqualTo(1);
    }

    private void assertRefused(Status.Code code) {
        assertThatThrownBy(() -> tokens.caller("t"))
                .isInstanceOfSatisfying(
                        StatusException.class,
                        e -> assertThat(e.getStatus().getCode()).isEqualTo(code));
    }

    private static TokenReviewStatus status(String user, Map<String, String> extra, String... audiences) {
        var status = new TokenReviewStatusBuilder()
                .withAuthenticated(true)
                .withAudiences(audiences)
                .withNewUser()
                .withUsername(user);
        extra.forEach((key, value) -> status.addToExtra(PREFIX + key, List.of(value)));
        return status.endUser().build();
    }

    private void answer(TokenReviewStatus status) {
        server.expect()
                .post()
                .withPath("/apis/authentication.k8s.io/v1/tokenreviews")
                .andReturn(201, new TokenReviewBuilder().withStatus(status).build())
                .once();
    }

    private void pod(String uid) {
        server.expect()
                .get()
                .withPath("/api/v1/namespaces/thaw-system/pods/agent-1")
                .andReturn(
                        200,
                        new PodBuilder()
                                .withNewMetadata()
                                .withName("agent-1")
                                .withUid(uid)
                                .endMetadata()
                                .withNewSpec()
                                .withNodeName("node-2")
                                .endSpec()
                                .build())
                .once();
    }
}
