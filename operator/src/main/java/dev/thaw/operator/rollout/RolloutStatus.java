package dev.thaw.operator.rollout;

import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionStatus;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.Names;
import dev.thaw.crds.Reason;
import dev.thaw.crds.SnapshotterConfigStatus;
import dev.thaw.crds.SnapshotterConfigStatus.CacheUse;
import dev.thaw.crds.SnapshotterConfigStatus.Nodes;
import dev.thaw.crds.SnapshotterConfigStatus.Problem;
import dev.thaw.crds.SnapshotterConfigStatus.VersionSeen;
import dev.thaw.operator.node.NodeReport;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSetStatus;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The status of a configuration, out of what was seen. Pure; the same sight twice gives the same status. */
final class RolloutStatus {
    private final Observation seen;
    private final List<Pod> agents;
    private final List<NodeReport> reports;

    RolloutStatus(Observation seen) {
        this.seen = seen;
        this.agents = seen.pods(Names.AGENT_COMPONENT);
        this.reports = agents.stream()
                .flatMap(pod -> PodFacts.node(pod).stream())
                .distinct()
                .sorted()
                .flatMap(node -> seen.freshReport(node).stream())
                .toList();
    }

    SnapshotterConfigStatus status(SnapshotterConfigStatus before) {
        var nodes = nodes();
        var problems = problems(before);
        var versions = versions();
        var conditions = List.of(ready(nodes), progressing(nodes), degraded(problems));
        var generation = seen.config().getMetadata().getGeneration();
        return before.toBuilder()
                .observedGeneration(generation)
                .conditions(Condition.merge(before.conditions(), conditions, generation, seen.now()))
                .nodes(nodes)
                .drivers(SnapshotterConfigStatus.summary(versions))
                .cache(cache())
                .runtimeClasses(RuntimeClassShape.names(seen.config()))
                .versions(versions.stream()
                        .limit(SnapshotterConfigStatus.MAX_ENTRIES)
                        .toList())
                .problems(problems)
                .build();
    }

    private Nodes nodes() {
        var counted = seen.agent().map(set -> set.getStatus());
        int desired = count(counted, DaemonSetStatus::getDesiredNumberScheduled);
        int updated = count(counted, DaemonSetStatus::getUpdatedNumberScheduled);
        int installed = (int) agents.stream().filter(PodFacts::isInitialized).count();
        int ready = (int) agents.stream()
                .filter(PodFacts::isReady)
                .filter(pod -> PodFacts.node(pod).flatMap(seen::freshReport).isPresent())
                .count();
        return new Nodes(desired, installed, ready, Math.max(0, desired - updated));
    }

    private static int count(Optional<DaemonSetStatus> status, Function<DaemonSetStatus, @Nullable Integer> field) {
        return status.map(found -> {
                    var number = field.apply(found);
                    return number == null ? 0 : number;
                })
                .orElse(0);
    }

    /** True until the DaemonSet controller has looked at the newest shape. */
    private boolean isUnobserved() {
        return seen.agent()
                .map(set -> {
                    var generation = set.getMetadata().getGeneration();
                    var observed =
                            set.getStatus() == null ? null : set.getStatus().getObservedGeneration();
                    return generation != null && (observed == null || observed < generation);
                })
                .orElse(true);
    }

    private Condition ready(Nodes nodes) {
        if (isUnobserved()) {
            return Condition.of(ConditionType.READY, ConditionStatus.FALSE, Reason.AGENTS_NOT_READY);
        }
        if (nodes.desired() == 0) {
            return seen.placement().yieldsTo().isEmpty()
                    ? Condition.of(ConditionType.READY, ConditionStatus.FALSE, Reason.NO_NODES)
                    : Condition.of(
                            ConditionType.READY,
                            ConditionStatus.FALSE,
                            Reason.NO_NODES,
                            "Every selected node belongs to "
                                    + names(seen.placement().yieldsTo()) + ".");
        }
        return nodes.ready() >= nodes.desired()
                ? Condition.of(ConditionType.READY, ConditionStatus.TRUE, Reason.AGENTS_READY)
                : Condition.of(
                        ConditionType.READY,
                        ConditionStatus.FALSE,
                        Reason.AGENTS_NOT_READY,
                        "%d of %d nodes take lazy pods.".formatted(nodes.ready(), nodes.desired()));
    }

    private Condition progressing(Nodes nodes) {
        if (isUnobserved()) {
            return Condition.of(ConditionType.PROGRESSING, ConditionStatus.TRUE, Reason.ROLLING_OUT);
        }
        boolean moving = nodes.outdated() > 0 || nodes.installed() < nodes.desired();
        return moving
                ? Condition.of(
                        ConditionType.PROGRESSING,
                        ConditionStatus.TRUE,
                        Reason.ROLLING_OUT,
                        "%d of %d nodes are installed, %d run an agent of an earlier spec."
                                .formatted(nodes.installed(), nodes.desired(), nodes.outdated()))
                : Condition.of(ConditionType.PROGRESSING, ConditionStatus.FALSE, Reason.ROLLED_OUT);
    }

    private Condition degraded(List<Problem> problems) {
        var lost = lostNodes();
        if (lost > 0) {
            return Condition.of(
                    ConditionType.DEGRADED,
                    ConditionStatus.TRUE,
                    Reason.OVERLAPPING,
                    "%d of the selected nodes belong to %s, which goes first."
                            .formatted(lost, names(seen.placement().yieldsTo())));
        }
        return problems.isEmpty()
                ? Condition.of(ConditionType.DEGRADED, ConditionStatus.FALSE, Reason.AS_EXPECTED)
                : Condition.of(
                        ConditionType.DEGRADED,
                        ConditionStatus.TRUE,
                        Reason.NODE_PROBLEMS,
                        problems.size() == 1
                                ? problems.getFirst().message()
                                : "%d problems; the first: %s"
                                        .formatted(
                                                problems.size(),
                                                problems.getFirst().message()));
    }

    /** Nodes that this configuration selects and another one owns. */
    private long lostNodes() {
        return seen.nodes().values().stream()
                .map(node -> Optional.ofNullable(node.getMetadata().getLabels()).orElse(Map.of()))
                .filter(labels -> Placement.selects(seen.config(), labels))
                .filter(labels -> Placement.owner(labels, seen.configs())
                        .filter(owner -> !owner.getMetadata()
                                .getName()
                                .equals(seen.config().getMetadata().getName()))
                        .isPresent())
                .count();
    }

    private static String names(List<String> configs) {
        return configs.stream().collect(Collectors.joining(", "));
    }

    private @Nullable CacheUse cache() {
        if (reports.isEmpty()) {
            return null;
        }
        return CacheUse.of(
                reports.stream().mapToLong(NodeReport::cacheBytes).sum(),
                reports.stream().mapToLong(NodeReport::cacheCapacityBytes).sum());
    }

    private List<VersionSeen> versions() {
        Map<VersionSeen, Integer> counted = new LinkedHashMap<>();
        for (var report : reports) {
            var kind = new VersionSeen(
                    report.containerdVersion(),
                    report.kernelVersion(),
                    driver(report.driver()),
                    emptyToNull(report.driverReason()),
                    emptyToNull(report.agentVersion()),
                    0);
            counted.merge(kind, 1, Integer::sum);
        }
        return counted.entrySet().stream()
                .map(entry -> new VersionSeen(
                        entry.getKey().containerd(),
                        entry.getKey().kernel(),
                        entry.getKey().driver(),
                        entry.getKey().driverReason(),
                        entry.getKey().agent(),
                        entry.getValue()))
                .sorted(Comparator.comparingInt(VersionSeen::nodes).reversed().thenComparing(VersionSeen::toString))
                .toList();
    }

    /** As in the spec: {@code Erofs}, {@code Fuse}. */
    private static String driver(String word) {
        return word.isEmpty() ? "Unknown" : word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1);
    }

    private List<Problem> problems(SnapshotterConfigStatus before) {
        var found = new ArrayList<Problem>();
        seen.unheeded().forEach(sentence -> found.add(new Problem(null, "Configuration", sentence, null)));
        for (var pod : agents) {
            var node = PodFacts.node(pod).orElse("");
            PodFacts.failure(pod)
                    .ifPresent(failure -> found.add(
                            new Problem(node, PodFacts.isInitialized(pod) ? "Agent" : "Install", failure, null)));
            if (PodFacts.isReady(pod) && seen.freshReport(node).isEmpty()) {
                found.add(new Problem(
                        node,
                        "Report",
                        "the agent runs, but does not report: it cannot reach the NodeService, or is not let in;"
                                + " see its log",
                        null));
            }
        }
        for (var report : reports) {
            report.problems().forEach(sentence -> found.add(new Problem(report.node(), "Node", sentence, null)));
        }
        var now = seen.now().truncatedTo(ChronoUnit.SECONDS).toString();
        return found.stream()
                .distinct()
                .map(problem -> new Problem(
                        problem.node(),
                        problem.check(),
                        problem.message(),
                        since(before, problem).orElse(now)))
                .sorted(Comparator.comparing((Problem problem) ->
                                Optional.ofNullable(problem.since()).orElse(""))
                        .reversed()
                        .thenComparing(
                                problem -> Optional.ofNullable(problem.node()).orElse(""))
                        .thenComparing(Problem::message))
                .limit(SnapshotterConfigStatus.MAX_ENTRIES)
                .toList();
    }

    private static Optional<String> since(SnapshotterConfigStatus before, Problem problem) {
        return before.problems().stream()
                .filter(old -> Objects.equals(emptyToNull(old.node()), emptyToNull(problem.node()))
                        && old.check().equals(problem.check())
                        && old.message().equals(problem.message()))
                .flatMap(old -> Optional.ofNullable(old.since()).stream())
                .findFirst();
    }

    private static @Nullable String emptyToNull(@Nullable String text) {
        return text == null || text.isEmpty() ? null : text;
    }
}
