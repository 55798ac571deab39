package dev.thaw.e2e;

import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.dsl.ExecWatch;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;

/** The cluster, as a person with kubectl has it. */
final class Cluster implements AutoCloseable {
    private final KubernetesClient client;

    Cluster(Path kubeconfig) throws IOException {
        client = new KubernetesClientBuilder()
                .withConfig(Config.fromKubeconfig(Files.readString(kubeconfig)))
                .build();
    }

    KubernetesClient client() {
        return client;
    }

    /** The nodes that pods may be put on. */
    List<Node> nodes() {
        return client.nodes().list().getItems();
    }

    static String addressOf(Node node) {
        return node.getStatus().getAddresses().stream()
                .filter(address -> address.getType().equals("InternalIP"))
                .findFirst()
                .orElseThrow()
                .getAddress();
    }

    void namespace(String name) {
        client.namespaces()
                .resource(new NamespaceBuilder()
                        .withNewMetadata()
                        .withName(name)
                        .endMetadata()
                        .build())
                .serverSideApply();
    }

    void apply(String yaml) {
        client.load(new ByteArrayInputStream(yaml.getBytes(StandardCharsets.UTF_8)))
                .serverSideApply();
    }

    void delete(String yaml) {
        client.load(new ByteArrayInputStream(yaml.getBytes(StandardCharsets.UTF_8)))
                .delete();
    }

    Pod pod(String namespace, String name) {
        return client.pods().inNamespace(namespace).withName(name).get();
    }

    List<Pod> pods(String namespace, Map<String, String> labels) {
        return client.pods().inNamespace(namespace).withLabels(labels).list().getItems();
    }

    Pod awaitReady(String namespace, String name, Duration patience) {
        return await("pod " + name + " to be ready", patience, () -> pod(namespace, name), Cluster::isReady);
    }

    static boolean isReady(Pod pod) {
        return pod != null
                && pod.getStatus() != null
                && pod.getStatus().getConditions().stream()
                        .anyMatch(c ->
                                c.getType().equals("Ready") && c.getStatus().equals("True"));
    }

    GenericKubernetesResource lazyImage(String namespace, String name) {
        return client.genericKubernetesResources("thaw.dev/v1alpha1", "LazyImage")
                .inNamespace(namespace)
                .withName(name)
                .get();
    }

    /** Waits for a value that pleases, and says what the last one was when none came. */
    static <T> T await(String what, Duration patience, Callable<T> look, Predicate<T> pleases) {
        long deadline = System.nanoTime() + patience.toNanos();
        while (true) {
            T last = null;
            Exception failure = null;
            try {
                last = look.call();
                if (pleases.test(last)) {
                    return last;
                }
            } catch (Exception e) {
                failure = e;
            }
            if (System.nanoTime() > deadline) {
                throw new AssertionError("waited %s for %s; last: %s".formatted(patience, what, last), failure);
            }
            sleep(Duration.ofMillis(100));
        }
    }

    static void sleep(Duration time) {
        try {
            Thread.sleep(time);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    /** Runs a command in a container and gives its output; fails the test if the command fails. */
    String exec(String namespace, String pod, String container, String... command) {
        var result = tryExec(namespace, pod, container, command);
        if (result.code() != 0) {
            throw new AssertionError("`%s` in %s/%s ended with %d: %s"
                    .formatted(String.join(" ", command), namespace, pod, result.code(), result.output()));
        }
        return result.output();
    }

    /** @param output of both streams */
    record Result(int code, String output) {}

    Result tryExec(String namespace, String pod, String container, String... command) {
        var output = new ByteArrayOutputStream();
        try (ExecWatch watch = client.pods()
                .inNamespace(namespace)
                .withName(pod)
                .inContainer(container)
                .writingOutput(output)
                .writingError(output)
                .exec(command)) {
            int code = watch.exitCode().get(300, TimeUnit.SECONDS);
            return new Result(code, output.toString(StandardCharsets.UTF_8));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        } catch (ExecutionException | TimeoutException e) {
            throw new AssertionError(
                    "`%s` in %s/%s did not end: %s".formatted(String.join(" ", command), namespace, pod, output), e);
        }
    }

    /** GET by way of the API server. */
    String httpGet(String namespace, String pod, int port, String path) {
        return client.raw("/api/v1/namespaces/%s/pods/%s:%d/proxy%s".formatted(namespace, pod, port, path));
    }

    /** What a person would look at when something is stuck. */
    String diagnosis(String... namespaces) {
        var text = new StringBuilder();
        for (var namespace : namespaces) {
            for (var image : client.genericKubernetesResources("thaw.dev/v1alpha1", "LazyImage")
                    .inNamespace(namespace)
                    .list()
                    .getItems()) {
                text.append("LazyImage ")
                        .append(image.getMetadata().getName())
                        .append(": ")
                        .append(image.getAdditionalProperties().get("status"))
                        .append('\n');
            }
            for (Event event :
                    client.v1().events().inNamespace(namespace).list().getItems()) {
                text.append("event ")
                        .append(event.getInvolvedObject().getKind())
                        .append('/')
                        .append(event.getInvolvedObject().getName())
                        .append(' ')
                        .append(event.getReason())
                        .append(": ")
                        .append(event.getMessage())
                        .append('\n');
            }
            for (var pod : client.pods().inNamespace(namespace).list().getItems()) {
                text.append("pod ")
                        .append(pod.getMetadata().getName())
                        .append(' ')
                        .append(pod.getStatus().getPhase())
                        .append('\n');
                for (var container : pod.getSpec().getContainers()) {
                    text.append(tail(pod, container.getName()));
                }
                for (var container : pod.getSpec().getInitContainers()) {
                    text.append(tail(pod, container.getName()));
                }
            }
        }
        return text.toString();
    }

    private String tail(Pod pod, String container) {
        var place = client.pods()
                .inNamespace(pod.getMetadata().getNamespace())
                .withName(pod.getMetadata().getName())
                .inContainer(container);
        try {
            return "--- " + container + "\n" + place.tailingLines(60).getLog() + "\n";
        } catch (RuntimeException e) {
            return "--- " + container + ": no log\n";
        }
    }

    static ContainerStatus status(Pod pod, String container) {
        return pod.getStatus().getContainerStatuses().stream()
                .filter(status -> status.getName().equals(container))
                .findFirst()
                .orElseThrow();
    }

    @Override
    public void close() {
        client.close();
    }
}
