package dev.thaw.e2e;

import io.fabric8.kubernetes.api.model.Node;
import java.time.Duration;
import java.util.Arrays;
import java.util.stream.Stream;

/** A privileged pod on a node, for looking at the node as its administrator does. */
final class NodeProbe {
    private final Cluster cluster;
    private final String namespace;
    private final String pod;

    NodeProbe(Cluster cluster, String namespace, Node node, String image) {
        this.cluster = cluster;
        this.namespace = namespace;
        this.pod = "probe-" + node.getMetadata().getName();
        cluster.apply("""
                apiVersion: v1
                kind: Pod
                metadata: {name: %s, namespace: %s}
                spec:
                  nodeName: %s
                  hostPID: true
                  terminationGracePeriodSeconds: 0
                  tolerations: [{operator: Exists}]
                  containers:
                  - name: probe
                    image: %s
                    imagePullPolicy: IfNotPresent
                    command: [sleep, "1000000"]
                    securityContext: {privileged: true}
                """.formatted(pod, namespace, node.getMetadata().getName(), image));
        cluster.awaitReady(namespace, pod, Duration.ofSeconds(60));
    }

    /** Runs a command in the node's own namespaces, with the node's own programs. */
    String run(String... command) {
        return cluster.exec(namespace, pod, "probe", enter(command));
    }

    Cluster.Result tryRun(String... command) {
        return cluster.tryExec(namespace, pod, "probe", enter(command));
    }

    String shell(String script) {
        return run("sh", "-ec", script);
    }

    private static String[] enter(String... command) {
        return Stream.concat(
                        Stream.of("nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p", "--"), Arrays.stream(command))
                .toArray(String[]::new);
    }
}
