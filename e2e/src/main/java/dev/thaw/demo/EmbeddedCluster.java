package dev.thaw.demo;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMixedDispatcher;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import io.fabric8.mockwebserver.Context;
import io.fabric8.mockwebserver.MockWebServer;
import io.fabric8.mockwebserver.ServerRequest;
import io.fabric8.mockwebserver.ServerResponse;
import io.fabric8.mockwebserver.http.Dispatcher;
import io.fabric8.mockwebserver.http.MockResponse;
import io.fabric8.mockwebserver.http.RecordedRequest;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/**
 * A Kubernetes API that keeps what it is given and tells those who watch. It knows one token: that of the agent on the
 * only node.
 */
final class EmbeddedCluster implements AutoCloseable {
    static final String NAMESPACE = "default";
    static final String OPERATOR_NAMESPACE = "thaw-system";
    static final String OPERATOR_POD = "thaw-operator";
    static final String AGENT_ACCOUNT = "thaw-agent";
    static final String NODE = "demo-node";

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String EXTRA = "authentication.kubernetes.io/";

    private final String agentToken;
    private final KubernetesMockServer server;
    private final KubernetesClient client;
    private final Map<String, Path> logs = new ConcurrentHashMap<>();

    EmbeddedCluster(String agentToken) {
        this.agentToken = agentToken;
        var expected = new HashMap<ServerRequest, Queue<ServerResponse>>();
        server = new KubernetesMockServer(
                new Context(),
                new MockWebServer(),
                expected,
                new WithLogs(new KubernetesMixedDispatcher(expected)),
                false);
        server.init(InetAddress.getLoopbackAddress(), 0);
        server.expect()
                .post()
                .withPath("/apis/authentication.k8s.io/v1/tokenreviews")
                .andReply(201, request -> review(request.getBody().readUtf8()))
                .always();
        client = server.createClient();
    }

    KubernetesClient client() {
        return client;
    }

    /** Has the log of a pod read from a file. */
    void keepLog(String pod, Path log) {
        logs.put(pod, log);
    }

    private Object review(String request) {
        try {
            var spec = JSON.readTree(request).path("spec");
            var audiences = JSON.convertValue(spec.path("audiences"), String[].class);
            return spec.path("token").asText().equals(agentToken) ? agent(audiences) : nobody();
        } catch (JsonProcessingException e) {
            return nobody();
        }
    }

    private static Object agent(String[] audiences) {
        return new TokenReviewBuilder()
                .withNewStatus()
                .withAuthenticated(true)
                .withAudiences(audiences)
                .withNewUser()
                .withUsername("system:serviceaccount:%s:%s".formatted(OPERATOR_NAMESPACE, AGENT_ACCOUNT))
                .withExtra(Map.of(EXTRA + "node-name", List.of(NODE), EXTRA + "pod-name", List.of("thaw-agent-1")))
                .endUser()
                .endStatus()
                .build();
    }

    private static Object nobody() {
        return new TokenReviewBuilder()
                .withNewStatus()
                .withAuthenticated(false)
                .endStatus()
                .build();
    }

    @Override
    public void close() {
        client.close();
        server.destroy();
    }

    /** The rest of the API knows objects alone. */
    private final class WithLogs extends Dispatcher {
        private static final Pattern LOG = Pattern.compile("/api/v1/namespaces/[^/]+/pods/([^/]+)/log(?:\\?.*)?");

        private final Dispatcher rest;

        WithLogs(Dispatcher rest) {
            this.rest = rest;
        }

        @Override
        public MockResponse dispatch(RecordedRequest request) {
            var match = LOG.matcher(String.valueOf(request.getPath()));
            if (!match.matches()) {
                return rest.dispatch(request);
            }
            try {
                var log = logs.get(match.group(1));
                return new MockResponse().setBody(log == null ? "" : Files.readString(log));
            } catch (IOException e) {
                return new MockResponse().setResponseCode(500);
            }
        }
    }
}
