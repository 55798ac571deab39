package dev.thaw.demo;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodConditionBuilder;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;

/**
 * The only node. Plays Job controller, scheduler and kubelet, as far as the operator looks: a conversion Job gets a pod,
 * whose container is the converter as a process, with the Job's own arguments.
 */
final class Kubelet implements AutoCloseable {
    private static final String CONVERTER = "dev.thaw.converter.Main";

    /** Told when the pod of a Job runs. */
    interface Listener {
        void runs(String job, long processId);
    }

    private final KubernetesClient client;
    private final Cleanup cleanup;
    private final Path folder;
    private final BiConsumer<String, Path> logs;
    private final Listener listener;
    private final Set<String> seen = ConcurrentHashMap.newKeySet();
    private final SharedIndexInformer<Job> jobs;

    /** @param logs told where the log of a pod is */
    Kubelet(KubernetesClient client, Cleanup cleanup, Path folder, BiConsumer<String, Path> logs, Listener listener) {
        this.client = client;
        this.cleanup = cleanup;
        this.folder = folder;
        this.logs = logs;
        this.listener = listener;
        client.resource(new NodeBuilder()
                        .withNewMetadata()
                        .withName(EmbeddedCluster.NODE)
                        .endMetadata()
                        .withNewStatus()
                        .withNewNodeInfo()
                        .withOperatingSystem("linux")
                        .withArchitecture(LocalPlatform.architecture())
                        .endNodeInfo()
                        .endStatus()
                        .build())
                .create();
        jobs = client.batch().v1().jobs().inAnyNamespace().inform(new ResourceEventHandler<>() {
            @Override
            public void onAdd(Job job) {
                if (seen.add(job.getMetadata().getName())) {
                    Thread.ofVirtual().start(() -> run(job));
                }
            }

            @Override
            public void onUpdate(Job before, Job job) {}

            @Override
            public void onDelete(Job job, boolean finalStateUnknown) {}
        });
    }

    private void run(Job job) {
        var name = job.getMetadata().getName();
        try {
            var pod = client.resource(pod(job)).create();
            var work = Files.createDirectories(folder.resolve(name));
            var result = work.resolve("termination-log");
            var container =
                    job.getSpec().getTemplate().getSpec().getContainers().getFirst();
            var places = places(job.getSpec().getTemplate(), job.getMetadata().getNamespace(), work);
            places.put(container.getTerminationMessagePath(), result);
            var environment = new HashMap<String, String>();
            container.getEnv().forEach(variable -> environment.put(variable.getName(), variable.getValue()));
            var process = cleanup.keep(() -> Child.java(
                    "the converter",
                    CONVERTER,
                    container.getArgs().stream()
                            .map(argument -> onThisMachine(argument, places))
                            .toList(),
                    environment,
                    work.resolve("log")));
            logs.accept(pod.getMetadata().getName(), process.log());
            listener.runs(name, process.processId());
            int status = process.await();
            var message = Files.exists(result) ? Files.readString(result) : "";
            client.resource(pod).editStatus(there -> ended(there, container.getName(), status, message));
            patiently(job, there -> finished(there, status == 0 ? "Complete" : "Failed"));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (Exception e) {
            if (!cleanup.isClosed()) {
                System.err.println("demo: Job " + name + " cannot be run: " + e.getMessage());
            }
        }
    }

    private static Pod pod(Job job) {
        var template = job.getSpec().getTemplate();
        // @formatter:off
        return new PodBuilder()
                .withNewMetadata()
                .withName(job.getMetadata().getName() + "-1")
                .withNamespace(job.getMetadata().getNamespace())
                .withLabels(template.getMetadata().getLabels())
                .addToLabels("batch.kubernetes.io/job-name", job.getMetadata().getName())
                .endMetadata()
                .withNewSpecLike(template.getSpec())
                .withNodeName(EmbeddedCluster.NODE)
                .endSpec()
                .withNewStatus()
                .withPhase("Running")
                .endStatus()
                .build();
        // @formatter:on
    }

    private static Pod ended(Pod pod, String container, int status, String message) {
        // @formatter:off
        return new PodBuilder(pod)
                .editOrNewStatus()
                .withPhase(status == 0 ? "Succeeded" : "Failed")
                .addNewContainerStatus()
                .withName(container)
                .withNewState()
                .withNewTerminated()
                .withExitCode(status)
                .withMessage(message)
                .endTerminated()
                .endState()
                .endContainerStatus()
                .endStatus()
                .build();
        // @formatter:on
    }

    private static Job finished(Job job, String condition) {
        return new JobBuilder(job)
                .editOrNewStatus()
                .addNewCondition()
                .withType(condition)
                .withStatus("True")
                .withLastTransitionTime(Instant.now().toString())
                .endCondition()
                .endStatus()
                .build();
    }

    /** Changes an object to which the operator may be writing too. */
    private <T extends HasMetadata> void patiently(T object, UnaryOperator<T> change) {
        while (true) {
            try {
                client.resource(object).editStatus(change);
                return;
            } catch (KubernetesClientException e) {
                if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                    throw e;
                }
            }
        }
    }

    /** Where the pod's volumes are on this machine, by their path in the container. */
    private Map<String, Path> places(PodTemplateSpec template, String namespace, Path work) throws IOException {
        var places = new HashMap<String, Path>();
        for (var mount : template.getSpec().getContainers().getFirst().getVolumeMounts()) {
            var place = Files.createDirectories(work.resolve("volumes").resolve(mount.getName()));
            for (var volume : template.getSpec().getVolumes()) {
                if (volume.getName().equals(mount.getName())) {
                    fill(volume, namespace, place);
                }
            }
            places.put(mount.getMountPath(), place);
        }
        return places;
    }

    private void fill(Volume volume, String namespace, Path place) throws IOException {
        if (volume.getSecret() == null) {
            return;
        }
        var secret = client.secrets()
                .inNamespace(namespace)
                .withName(volume.getSecret().getSecretName())
                .require();
        for (var item : volume.getSecret().getItems()) {
            Files.write(
                    place.resolve(item.getPath()),
                    Base64.getDecoder().decode(secret.getData().get(item.getKey())));
        }
    }

    private static String onThisMachine(String argument, Map<String, Path> places) {
        for (var place : places.entrySet()) {
            if (argument.equals(place.getKey())) {
                return place.getValue().toString();
            }
            if (argument.startsWith(place.getKey() + "/")) {
                return place.getValue() + argument.substring(place.getKey().length());
            }
        }
        return argument;
    }

    /** Makes a pod that is bound to this node. */
    Pod bind(String name, String image) {
        // @formatter:off
        return client.resource(new PodBuilder()
                        .withNewMetadata()
                        .withName(name)
                        .withNamespace(EmbeddedCluster.NAMESPACE)
                        .endMetadata()
                        .withNewSpec()
                        .withNodeName(EmbeddedCluster.NODE)
                        .addNewContainer()
                        .withName("main")
                        .withImage(image)
                        .endContainer()
                        .endSpec()
                        .withNewStatus()
                        .withPhase("Pending")
                        .addNewCondition()
                        .withType("PodScheduled")
                        .withStatus("True")
                        .withLastTransitionTime(Instant.now().toString())
                        .endCondition()
                        .endStatus()
                        .build())
                .create();
        // @formatter:on
    }

    /** Says that the pod's container runs and is ready. */
    void ready(Pod pod) {
        patiently(pod, there -> {
            var status = Objects.requireNonNull(there.getStatus());
            status.setPhase("Running");
            status.setConditions(List.of(
                    status.getConditions().getFirst(),
                    new PodConditionBuilder()
                            .withType("Ready")
                            .withStatus("True")
                            .withLastTransitionTime(Instant.now().toString())
                            .build()));
            return there;
        });
    }

    @Override
    public void close() {
        jobs.close();
    }
}
