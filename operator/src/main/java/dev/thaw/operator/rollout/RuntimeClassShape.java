package dev.thaw.operator.rollout;

import dev.thaw.crds.Names;
import dev.thaw.crds.SnapshotterConfig;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClass;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClassBuilder;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * RuntimeClasses for the lazy twins of runtime handlers, named as the handler. Configurations share them: each that wants
 * one is an owner, so the last to go takes it along.
 */
final class RuntimeClassShape {
    private RuntimeClassShape() {}

    /** Every RuntimeClass that one of the configurations wants, by name. */
    static SortedMap<String, RuntimeClass> of(Collection<SnapshotterConfig> configs) {
        SortedMap<String, RuntimeClass> classes = new TreeMap<>();
        var sorted = configs.stream()
                .sorted(Comparator.comparing(config -> config.getMetadata().getName()))
                .toList();
        for (var config : sorted) {
            for (var name : names(config)) {
                var found = classes.get(name);
                var builder = found == null
                        ? new RuntimeClassBuilder()
                                .withNewMetadata()
                                .withName(name)
                                .addToLabels("app.kubernetes.io/name", "thaw")
                                .addToLabels(Names.MANAGED_BY_LABEL, Names.MANAGED_BY)
                                .endMetadata()
                                .withHandler(name)
                        : new RuntimeClassBuilder(found);
                classes.put(
                        name,
                        builder.editMetadata()
                                .addToOwnerReferences(AgentShape.owner(config))
                                .endMetadata()
                                .build());
            }
        }
        return classes;
    }

    /** Names of the RuntimeClasses that a configuration wants. */
    static List<String> names(SnapshotterConfig config) {
        return config.getSpec().containerd().runtimeHandlers().stream()
                .map(handler -> handler + Names.LAZY_SUFFIX)
                .distinct()
                .sorted()
                .toList();
    }

    /** True for one that the operator made: those of others are left alone. */
    static boolean isOurs(RuntimeClass runtimeClass) {
        var labels = runtimeClass.getMetadata().getLabels();
        return labels != null && Names.MANAGED_BY.equals(labels.get(Names.MANAGED_BY_LABEL));
    }
}
