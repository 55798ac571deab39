package dev.thaw.operator.node;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import io.fabric8.kubernetes.client.informers.cache.ReducedStateItemStore;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/**
 * The cluster's pods as far as they matter here. Every pod is watched, since any may name a lazy image by hand; of each
 * only a {@link WatchedPod} is kept, and the informer's own store holds names alone.
 */
final class Pods implements PodsOfNode, AutoCloseable {
    private final KubernetesClient client;
    private final Map<String, WatchedPod> byName = new ConcurrentHashMap<>();
    private final Map<String, Map<String, WatchedPod>> byNode = new ConcurrentHashMap<>();
    private final List<Consumer<WatchedPod>> changed = new CopyOnWriteArrayList<>();
    private final List<SharedIndexInformer<Pod>> informers;

    /** @param namespaces those to watch; empty for all */
    Pods(KubernetesClient client, Set<String> namespaces) {
        this.client = client;
        informers = namespaces.isEmpty()
                ? List.of(watch(client.pods().inAnyNamespace().runnableInformer(0)))
                : namespaces.stream()
                        .map(namespace ->
                                watch(client.pods().inNamespace(namespace).runnableInformer(0)))
                        .toList();
    }

    private SharedIndexInformer<Pod> watch(SharedIndexInformer<Pod> informer) {
        informer.itemStore(new ReducedStateItemStore<>(
                ReducedStateItemStore.NAME_KEY_STATE, Pod.class, client.getKubernetesSerialization()));
        informer.addEventHandler(new ResourceEventHandler<>() {
            @Override
            public void onAdd(Pod pod) {
                put(WatchedPod.of(pod));
            }

            @Override
            public void onUpdate(Pod before, Pod pod) {
                put(WatchedPod.of(pod));
            }

            @Override
            public void onDelete(Pod pod, boolean finalStateUnknown) {
                remove(key(pod.getMetadata().getNamespace(), pod.getMetadata().getName()));
            }
        });
        return informer;
    }

    /** Calls back with every pod that is new or has changed. */
    void onChange(Consumer<WatchedPod> listener) {
        changed.add(listener);
    }

    /** Starts watching, and returns once all pods are known. */
    void start() {
        informers.forEach(informer -> informer.start().toCompletableFuture().join());
    }

    @Override
    public Optional<WatchedPod> named(String namespace, String name) {
        return Optional.ofNullable(byName.get(key(namespace, name)));
    }

    @Override
    public List<WatchedPod> on(String node) {
        return List.copyOf(byNode.getOrDefault(node, Map.of()).values());
    }

    @Override
    public List<WatchedPod> askedFor(String namespace, String node) {
        return client.pods().inNamespace(namespace).withField("spec.nodeName", node).list().getItems().stream()
                .map(WatchedPod::of)
                .filter(pod -> pod.node().equals(node))
                .toList();
    }

    @Override
    public void close() {
        informers.forEach(SharedIndexInformer::stop);
    }

    private void put(WatchedPod pod) {
        var key = key(pod.namespace(), pod.name());
        var before = byName.put(key, pod);
        if (pod.equals(before)) {
            return;
        }
        if (!pod.node().isEmpty()) {
            byNode.computeIfAbsent(pod.node(), _ -> new ConcurrentHashMap<>()).put(key, pod);
        }
        changed.forEach(listener -> listener.accept(pod));
    }

    private void remove(String key) {
        var gone = byName.remove(key);
        if (gone != null) {
            byNode.computeIfPresent(gone.node(), (_, pods) -> {
                pods.remove(key);
                return pods.isEmpty() ? null : pods;
            });
        }
    }

    private static String key(String namespace, String name) {
        return namespace + "/" + name;
    }
}
