package dev.thaw.operator.admission;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.Names;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Namespace;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClass;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import io.fabric8.kubernetes.client.informers.cache.Cache;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The cluster as informers see it. */
final class InformedCluster implements ClusterFacts, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(InformedCluster.class);
    private static final long NO_RESYNC = 0;

    private final boolean autoCreate;
    private final Function<WantedImage, Optional<String>> refusals;
    private final List<SharedIndexInformer<LazyImage>> images = new ArrayList<>();
    private final SharedIndexInformer<RuntimeClass> runtimeClasses;
    private final SharedIndexInformer<Node> readyNodes;
    private final SharedIndexInformer<Namespace> namespaces;

    /** @param refusals why a LazyImage was not made */
    InformedCluster(
            KubernetesClient client, AdmissionSettings settings, Function<WantedImage, Optional<String>> refusals) {
        autoCreate = settings.autoCreate();
        this.refusals = refusals;
        if (settings.watchNamespaces().isEmpty()) {
            images.add(client.resources(LazyImage.class).inAnyNamespace().runnableInformer(NO_RESYNC));
        }
        settings.watchNamespaces()
                .forEach(namespace -> images.add(
                        client.resources(LazyImage.class).inNamespace(namespace).runnableInformer(NO_RESYNC)));
        runtimeClasses = client.resources(RuntimeClass.class).runnableInformer(NO_RESYNC);
        // only nodes that take lazy pods are of interest
        readyNodes = client.nodes().withLabel(Names.AGENT, Names.AGENT_READY).runnableInformer(NO_RESYNC);
        namespaces = client.namespaces().runnableInformer(NO_RESYNC);
    }

    /** Begins to watch; {@link #isSynced} tells when everything has been seen once. */
    void start() {
        all().forEach(informer -> informer.start().whenComplete((ignored, failure) -> {
            if (failure != null) {
                LOG.error("{} cannot be watched", informer.getApiTypeClass().getSimpleName(), failure);
            }
        }));
    }

    boolean isSynced() {
        return all().stream().allMatch(SharedIndexInformer::hasSynced);
    }

    private List<SharedIndexInformer<? extends HasMetadata>> all() {
        var all = new ArrayList<SharedIndexInformer<? extends HasMetadata>>(images);
        all.addAll(List.of(runtimeClasses, readyNodes, namespaces));
        return all;
    }

    @Override
    public Optional<LazyImage> lazyImage(String namespace, String name) {
        return images.stream()
                .map(informer -> informer.getIndexer().getByKey(Cache.namespaceKeyFunc(namespace, name)))
                .flatMap(found -> Optional.ofNullable(found).stream())
                .findFirst();
    }

    @Override
    public List<LazyImage> lazyImages(String namespace) {
        return images.stream()
                .flatMap(informer -> informer.getIndexer().byIndex(Cache.NAMESPACE_INDEX, namespace).stream())
                .toList();
    }

    @Override
    public Optional<RuntimeClass> runtimeClass(String name) {
        return Optional.ofNullable(runtimeClasses.getIndexer().getByKey(name));
    }

    @Override
    public boolean isAgentReady() {
        return !readyNodes.getIndexer().listKeys().isEmpty();
    }

    @Override
    public boolean isAgentReadyOn(String node) {
        return readyNodes.getIndexer().getByKey(node) != null;
    }

    @Override
    public boolean mayMakeImages(String namespace) {
        var found = namespaces.getIndexer().getByKey(namespace);
        var labels = found == null ? null : found.getMetadata().getLabels();
        var said = labels == null ? null : labels.get(Names.AUTO_CREATE);
        return said == null ? autoCreate && found != null : Boolean.parseBoolean(said);
    }

    @Override
    public Optional<String> whyNotMade(WantedImage wanted) {
        return refusals.apply(wanted);
    }

    @Override
    public void close() {
        all().forEach(SharedIndexInformer::stop);
    }
}
