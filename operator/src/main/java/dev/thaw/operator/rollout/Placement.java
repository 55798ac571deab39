package dev.thaw.operator.rollout;

import dev.thaw.crds.SnapshotterConfig;
import io.fabric8.kubernetes.api.model.Affinity;
import io.fabric8.kubernetes.api.model.AffinityBuilder;
import io.fabric8.kubernetes.api.model.NodeSelectorRequirement;
import io.fabric8.kubernetes.api.model.NodeSelectorTerm;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The nodes of one configuration: those that its selector names, less those that a configuration which goes first names
 * too. It is written as node affinity, so that it holds for new nodes and while the operator is down.
 *
 * <p>"Not a=1 and b=2" is "a is not 1, or b is not 2": each configuration that goes first multiplies the alternatives.
 *
 * @param selector labels that a node must have
 * @param alternatives label to forbidden values; a node must satisfy one of these; none at all means no node
 * @param yieldsTo names of the configurations that go first and may share a node with this one
 */
record Placement(
        Map<String, String> selector, Set<SortedMap<String, Set<String>>> alternatives, List<String> yieldsTo) {
    private static final String OS = "kubernetes.io/os";

    /** Highest priority first; of equals the oldest, and of twins the first by name. */
    static final Comparator<SnapshotterConfig> PRECEDENCE = Comparator.comparing(
                    (SnapshotterConfig config) -> config.getSpec().priority(), Comparator.reverseOrder())
            .thenComparing(config -> Optional.ofNullable(config.getMetadata().getCreationTimestamp())
                    .orElse(""))
            .thenComparing(config -> config.getMetadata().getName());

    static Placement of(SnapshotterConfig config, Collection<SnapshotterConfig> all) {
        var own = selector(config);
        Set<SortedMap<String, Set<String>>> alternatives = Set.of(new TreeMap<>());
        var yieldsTo = new ArrayList<String>();
        for (var other : all.stream().sorted(PRECEDENCE).toList()) {
            if (isSame(other, config) || PRECEDENCE.compare(other, config) > 0) {
                continue;
            }
            var first = selector(other);
            if (areDisjoint(first, own)) {
                continue;
            }
            yieldsTo.add(other.getMetadata().getName());
            alternatives = excluding(alternatives, first, own);
        }
        return new Placement(own, alternatives, List.copyOf(yieldsTo));
    }

    /** The configuration that owns a node with those labels. */
    static Optional<SnapshotterConfig> owner(Map<String, String> labels, Collection<SnapshotterConfig> all) {
        return all.stream()
                .sorted(PRECEDENCE)
                .filter(config -> selects(config, labels))
                .findFirst();
    }

    /** True if the configuration's selector names a node with those labels, whoever owns it. */
    static boolean selects(SnapshotterConfig config, Map<String, String> labels) {
        return labels.entrySet().containsAll(selector(config).entrySet());
    }

    /**
     * Required affinity: the configuration's nodes, and those that have a label of that value, whatever else they have.
     *
     * @param label key of a node label
     */
    Affinity orLabelled(String label, String value) {
        var own = new ArrayList<NodeSelectorRequirement>();
        new TreeMap<>(selector)
                .forEach((key, wanted) -> own.add(new NodeSelectorRequirement(key, "In", List.of(wanted))));
        var terms = new ArrayList<NodeSelectorTerm>();
        for (var alternative : alternatives) {
            var requirements = new ArrayList<>(own);
            alternative.forEach((key, forbidden) ->
                    requirements.add(new NodeSelectorRequirement(key, "NotIn", List.copyOf(forbidden))));
            terms.add(new NodeSelectorTerm(requirements, List.of()));
        }
        terms.add(new NodeSelectorTerm(List.of(new NodeSelectorRequirement(label, "In", List.of(value))), List.of()));
        return required(terms);
    }

    /** Required affinity: nodes without that label. */
    static Affinity unlabelled(String label) {
        return required(List.of(new NodeSelectorTerm(
                List.of(new NodeSelectorRequirement(label, "DoesNotExist", List.of())), List.of())));
    }

    private static Affinity required(List<NodeSelectorTerm> terms) {
        return new AffinityBuilder()
                .withNewNodeAffinity()
                .withNewRequiredDuringSchedulingIgnoredDuringExecution()
                .withNodeSelectorTerms(terms)
                .endRequiredDuringSchedulingIgnoredDuringExecution()
                .endNodeAffinity()
                .build();
    }

    private static Set<SortedMap<String, Set<String>>> excluding(
            Set<SortedMap<String, Set<String>>> alternatives, Map<String, String> first, Map<String, String> own) {
        var next = new LinkedHashSet<SortedMap<String, Set<String>>>();
        for (var alternative : alternatives) {
            // the sorted view keeps the shape stable from one reconciliation to the next
            new TreeMap<>(first).forEach((key, value) -> {
                if (!value.equals(own.get(key))) {
                    var longer = new TreeMap<>(alternative);
                    var values = new TreeSet<>(longer.getOrDefault(key, Set.of()));
                    values.add(value);
                    longer.put(key, values);
                    next.add(longer);
                }
            });
        }
        return next;
    }

    private static boolean areDisjoint(Map<String, String> one, Map<String, String> other) {
        return one.entrySet().stream().anyMatch(entry -> {
            var value = other.get(entry.getKey());
            return value != null && !value.equals(entry.getValue());
        });
    }

    private static boolean isSame(SnapshotterConfig one, SnapshotterConfig other) {
        return one.getMetadata().getName().equals(other.getMetadata().getName());
    }

    private static Map<String, String> selector(SnapshotterConfig config) {
        var selector = new TreeMap<>(config.getSpec().nodeSelector());
        selector.putIfAbsent(OS, "linux");
        return selector;
    }
}
