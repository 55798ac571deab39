package dev.thaw.demo;

import dev.thaw.operator.OperatorProgram;
import dev.thaw.operator.Settings;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.NonDeletingOperation;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;

/** The operator, as it runs in a cluster, in this process. */
final class RunningOperator implements AutoCloseable {
    /** The name that the NodeService's certificate carries. */
    static final String NODE_SERVICE = "thaw-node-service." + EmbeddedCluster.OPERATOR_NAMESPACE + ".svc";

    private static final String AUTHORITIES = "thaw-node-ca";

    private final KubernetesClient client;
    private final OperatorProgram program;
    private final int nodeServicePort;

    /** @param registry host of the embedded registry, which speaks plain HTTP */
    RunningOperator(KubernetesClient client, String registry, Path folder) throws Exception {
        this.client = client;
        nodeServicePort = freePort();
        var registries = folder.resolve("registries.yaml");
        Files.writeString(registries, "- {host: \"%s\", plainHttp: true}%n".formatted(registry));
        var settings = Settings.of(Map.ofEntries(
                Map.entry("THAW_NAMESPACE", EmbeddedCluster.OPERATOR_NAMESPACE),
                Map.entry("THAW_POD_NAME", EmbeddedCluster.OPERATOR_POD),
                Map.entry("THAW_AGENT_IMAGE", "thaw/agent:demo"),
                Map.entry("THAW_CONVERTER_IMAGE", "thaw/converter:demo"),
                Map.entry("THAW_AGENT_SERVICE_ACCOUNT", EmbeddedCluster.AGENT_ACCOUNT),
                Map.entry("THAW_NODE_SERVICE_HOST", NODE_SERVICE),
                Map.entry("THAW_NODE_SERVICE_PORT", Integer.toString(nodeServicePort)),
                Map.entry("THAW_HTTP_PORT", "0"),
                Map.entry("THAW_LEADER_ELECTION", "false"),
                Map.entry("THAW_REGISTRIES_FILE", registries.toString())));
        client.resource(new PodBuilder()
                        .withNewMetadata()
                        .withName(EmbeddedCluster.OPERATOR_POD)
                        .withNamespace(EmbeddedCluster.OPERATOR_NAMESPACE)
                        .endMetadata()
                        .withNewSpec()
                        .endSpec()
                        .build())
                .create();
        // The embedded API does not know server-side apply.
        program = new OperatorProgram(
                settings,
                client,
                this::apply,
                configuration ->
                        configuration.checkingCRDAndValidateLocalModel(false).withUseSSAToPatchPrimaryResource(false),
                () -> {});
        try {
            program.start();
        } catch (Exception e) {
            program.close();
            throw e;
        }
    }

    private void apply(HasMetadata desired) {
        client.resource(desired).createOr(NonDeletingOperation::update);
    }

    private static int freePort() throws IOException {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    int nodeServicePort() {
        return nodeServicePort;
    }

    /** The authority, in PEM, that vouches for the NodeService. */
    String authority() {
        var authorities = client.configMaps()
                .inNamespace(EmbeddedCluster.OPERATOR_NAMESPACE)
                .withName(AUTHORITIES)
                .require();
        return Objects.requireNonNull(authorities.getData().get("ca.crt"));
    }

    @Override
    public void close() {
        program.close();
    }
}
