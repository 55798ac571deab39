package dev.thaw.operator.admission;

import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionStatus;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.Reason;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClass;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClassBuilder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A cluster in memory. Its images live in the namespace "team". */
final class FakeCluster implements ClusterFacts {
    static final String DIGEST = "sha256:" + "ab".repeat(32);
    static final String SOURCE_DIGEST = "sha256:" + "cd".repeat(32);

    private final List<LazyImage> images = new ArrayList<>();
    private final Map<String, RuntimeClass> runtimeClasses = new HashMap<>();
    private final Set<String> readyNodes = new HashSet<>(Set.of("node-1"));
    private final Set<String> makingNamespaces = new HashSet<>();
    private Optional<String> refusal = Optional.empty();
    private boolean broken;

    /** With an agent on node-1 and the class runc-lazy. */
    static FakeCluster usual() {
        return new FakeCluster().with(runtimeClass("runc-lazy", "runc-lazy"));
    }

    /** Fails whatever it is asked. */
    static FakeCluster broken() {
        var cluster = new FakeCluster();
        cluster.broken = true;
        return cluster;
    }

    FakeCluster with(LazyImage image) {
        images.removeIf(
                old -> old.getMetadata().getName().equals(image.getMetadata().getName()));
        images.add(image);
        return this;
    }

    FakeCluster with(RuntimeClass runtimeClass) {
        runtimeClasses.put(runtimeClass.getMetadata().getName(), runtimeClass);
        return this;
    }

    FakeCluster withoutAgents() {
        readyNodes.clear();
        return this;
    }

    FakeCluster makesImagesIn(String namespace) {
        makingNamespaces.add(namespace);
        return this;
    }

    /** No LazyImage that is asked for is made. */
    FakeCluster refusing(String why) {
        refusal = Optional.of(why);
        return this;
    }

    static RuntimeClass runtimeClass(String name, String handler) {
        return new RuntimeClassBuilder()
                .withNewMetadata()
                .withName(name)
                .endMetadata()
                .withHandler(handler)
                .build();
    }

    static RuntimeClass withOverhead(RuntimeClass runtimeClass) {
        return new RuntimeClassBuilder(runtimeClass)
                .withNewOverhead()
                .addToPodFixed("memory", new Quantity("100Mi"))
                .endOverhead()
                .build();
    }

    static LazyImage ready(String name, String source) {
        return image(
                name,
                source,
                LazyImageStatus.builder()
                        .observedGeneration(1L)
                        .source(new LazyImageStatus.Source(SOURCE_DIGEST, null, null))
                        .lazyImage(lazyReference(name))
                        .conditions(List.of(Condition.of(ConditionType.READY, ConditionStatus.TRUE, Reason.SERVING)))
                        .build());
    }

    static LazyImage notReady(String name, String source, Reason reason) {
        return image(
                name,
                source,
                LazyImageStatus.builder()
                        .observedGeneration(1L)
                        .conditions(List.of(Condition.of(ConditionType.READY, ConditionStatus.FALSE, reason)))
                        .build());
    }

    static LazyImage fresh(String name, String source) {
        return image(name, source, null);
    }

    static String lazyReference(String name) {
        return "registry.example/lazy/" + name + "@" + DIGEST;
    }

    private static LazyImage image(String name, String source, LazyImageStatus status) {
        var image = new LazyImage();
        image.setMetadata(new ObjectMetaBuilder()
                .withName(name)
                .withNamespace("team")
                .withGeneration(1L)
                .build());
        image.setSpec(LazyImageSpec.of(source));
        image.setStatus(status);
        return image;
    }

    @Override
    public Optional<LazyImage> lazyImage(String namespace, String name) {
        return lazyImages(namespace).stream()
                .filter(image -> image.getMetadata().getName().equals(name))
                .findFirst();
    }

    @Override
    public List<LazyImage> lazyImages(String namespace) {
        if (broken) {
            throw new IllegalStateException("the cache is gone");
        }
        return images.stream()
                .filter(image -> image.getMetadata().getNamespace().equals(namespace))
                .toList();
    }

    @Override
    public Optional<RuntimeClass> runtimeClass(String name) {
        return Optional.ofNullable(runtimeClasses.get(name));
    }

    @Override
    public boolean isAgentReady() {
        return !readyNodes.isEmpty();
    }

    @Override
    public boolean isAgentReadyOn(String node) {
        return readyNodes.contains(node);
    }

    @Override
    public boolean mayMakeImages(String namespace) {
        return makingNamespaces.contains(namespace);
    }

    @Override
    public Optional<String> whyNotMade(WantedImage wanted) {
        return refusal;
    }
}
