package dev.thaw.operator.rollout;

import dev.thaw.crds.Names;
import dev.thaw.crds.SnapshotterConfig;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * How far a configuration's removal is.
 *
 * <pre>
 *  InUse ──no running container reads through an agent, or it was forced──▶ StoppingAgents
 *  StoppingAgents ──no agent runs on a node that is up──▶ Uninstalling ──every node has answered──▶ Done
 *                                                              └── the rest is down, and the deadline has passed ──▶ Done
 * </pre>
 *
 * The agents go first, so that no agent and no uninstaller write containerd's configuration at the same time. A node that
 * is up and fails to uninstall holds the removal: somebody has to look at it.
 */
sealed interface Removal {
    /** How long nodes that do not answer are waited for. */
    Duration PATIENCE = Duration.ofMinutes(5);

    /**
     * Containers run that would see input/output errors without an agent. Nodes take no new ones meanwhile.
     *
     * @param containers how many, by node
     */
    record InUse(SortedMap<String, Integer> containers) implements Removal {}

    /**
     * Agents are being stopped.
     *
     * @param nodes nodes that are up and still run an agent
     */
    record StoppingAgents(SortedSet<String> nodes) implements Removal {}

    /**
     * containerd's configuration is being given back.
     *
     * @param missing the DaemonSet that uninstalls is not there yet
     * @param pending nodes that are up and not done
     * @param silent nodes that are down, or gone
     */
    record Uninstalling(boolean missing, SortedSet<String> pending, SortedSet<String> silent, List<String> failures)
            implements Removal {}

    /**
     * Nothing is left to do.
     *
     * @param leftBehind nodes that were down for longer than anybody wants to wait
     */
    record Done(SortedSet<String> leftBehind) implements Removal {}

    static Removal after(Observation seen) {
        var agents = new TreeSet<String>();
        seen.pods(Names.AGENT_COMPONENT).stream()
                .flatMap(pod -> PodFacts.node(pod).stream())
                .filter(seen::isUp)
                .forEach(agents::add);
        if (seen.agent().isPresent() && !isForced(seen.config())) {
            var containers = new TreeMap<String, Integer>();
            for (var node : agents) {
                seen.freshReport(node)
                        .filter(report -> report.attached() > 0)
                        .ifPresent(report -> containers.put(node, report.attached()));
            }
            if (!containers.isEmpty()) {
                return new InUse(containers);
            }
        }
        if (seen.agent().isPresent() || !agents.isEmpty()) {
            return new StoppingAgents(agents);
        }
        var pending = new TreeSet<String>();
        var silent = new TreeSet<String>();
        if (seen.uninstall().isEmpty()) {
            return new Uninstalling(true, pending, silent, List.of());
        }
        var set = seen.uninstall().get();
        var pods = seen.pods(AgentNames.UNINSTALL_COMPONENT);
        for (var pod : pods) {
            if (!PodFacts.isReady(pod)) {
                var node = PodFacts.node(pod).orElse(pod.getMetadata().getName());
                (seen.isUp(node) ? pending : silent).add(node);
            }
        }
        boolean counted = isCounted(set, pods);
        boolean waited = !seen.now().isBefore(begin(set, seen.now()).plus(PATIENCE));
        if (counted && pending.isEmpty() && (silent.isEmpty() || waited)) {
            return new Done(silent);
        }
        var failures = pods.stream()
                .flatMap(pod -> PodFacts.failure(pod).stream()
                        .map(failure -> PodFacts.node(pod).orElse("?") + ": " + failure))
                .sorted()
                .toList();
        return new Uninstalling(false, pending, silent, failures);
    }

    private static boolean isForced(SnapshotterConfig config) {
        var annotations = config.getMetadata().getAnnotations();
        return annotations != null && "true".equals(annotations.get(Names.FORCE_REMOVAL));
    }

    /** True once the DaemonSet controller has said how many nodes there are, and all their pods are in sight. */
    private static boolean isCounted(DaemonSet set, List<Pod> pods) {
        var status = set.getStatus();
        if (status == null || status.getObservedGeneration() == null || status.getDesiredNumberScheduled() == null) {
            return false;
        }
        var generation = set.getMetadata().getGeneration();
        return (generation == null || status.getObservedGeneration() >= generation)
                && pods.size() >= status.getDesiredNumberScheduled();
    }

    private static Instant begin(DaemonSet set, Instant otherwise) {
        var created = set.getMetadata().getCreationTimestamp();
        return created == null ? otherwise : Instant.parse(created);
    }
}
