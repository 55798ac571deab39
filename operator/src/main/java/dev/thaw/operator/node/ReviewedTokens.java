package dev.thaw.operator.node;

import io.fabric8.kubernetes.api.model.authentication.TokenReview;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.api.model.authentication.UserInfo;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.grpc.Status;
import io.grpc.StatusException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * Asks the API server by TokenReview. A token that is bound to a pod names that pod and, from Kubernetes 1.32 on, its
 * node; where it does not name the node, the pod does. See "Bound service account tokens" in Kubernetes' documentation.
 */
final class ReviewedTokens implements Tokens {
    private static final String NODE = "authentication.kubernetes.io/node-name";
    private static final String POD = "authentication.kubernetes.io/pod-name";
    private static final String POD_UID = "authentication.kubernetes.io/pod-uid";

    private final KubernetesClient client;
    private final NodeServerSettings settings;

    ReviewedTokens(KubernetesClient client, NodeServerSettings settings) {
        this.client = client;
        this.settings = settings;
    }

    @Override
    public Caller caller(String token) throws StatusException {
        try {
            return caller(review(token));
        } catch (KubernetesClientException e) {
            throw Status.UNAVAILABLE
                    .withDescription("the token cannot be reviewed now; try again")
                    .withCause(e)
                    .asException();
        }
    }

    private TokenReview review(String token) {
        return client.authentication()
                .v1()
                .tokenReviews()
                .create(new TokenReviewBuilder()
                        .withNewSpec()
                        .withToken(token)
                        .withAudiences(settings.audience())
                        .endSpec()
                        .build());
    }

    private Caller caller(TokenReview review) throws StatusException {
        var status = review.getStatus();
        if (status == null || !Boolean.TRUE.equals(status.getAuthenticated()) || status.getUser() == null) {
            throw Status.UNAUTHENTICATED
                    .withDescription("the token does not hold; the agent's is renewed by kubelet")
                    .asException();
        }
        // An API server that does not know audiences answers without any: then the token may have been made for it.
        if (status.getAudiences() == null || !status.getAudiences().contains(settings.audience())) {
            throw Status.UNAUTHENTICATED
                    .withDescription("the token is not made for audience " + settings.audience())
                    .asException();
        }
        var user = status.getUser();
        if (!settings.agentUser().equals(user.getUsername())) {
            throw Status.PERMISSION_DENIED
                    .withDescription("only " + settings.agentUser() + " is served here, not " + user.getUsername())
                    .asException();
        }
        var pod = extra(user, POD);
        var node = pod.isEmpty() ? Optional.<String>empty() : extra(user, NODE).or(() -> nodeOf(pod.get(), user));
        return node.map(name -> new Caller(name, pod.orElse("")))
                .orElseThrow(() -> Status.PERMISSION_DENIED
                        .withDescription("the token is bound to no pod on a node: use a projected token")
                        .asException());
    }

    private Optional<String> nodeOf(String name, UserInfo user) {
        var pod = client.pods()
                .inNamespace(settings.operatorNamespace())
                .withName(name)
                .get();
        if (pod == null || !Optional.ofNullable(pod.getMetadata().getUid()).equals(extra(user, POD_UID))) {
            return Optional.empty(); // another pod has the name by now
        }
        return Optional.ofNullable(pod.getSpec().getNodeName());
    }

    private static Optional<String> extra(UserInfo user, String key) {
        Map<String, List<String>> extra = Objects.requireNonNullElse(user.getExtra(), Map.of());
        return extra.getOrDefault(key, List.of()).stream().findFirst();
    }
}
