package dev.thaw.operator.rollout;

import dev.thaw.crds.Names;
import dev.thaw.crds.SnapshotterConfig;
import dev.thaw.operator.node.NodeReport;
import dev.thaw.operator.node.NodeReports;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.javaoperatorsdk.operator.api.config.informer.InformerEventSourceConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says by labels which nodes take lazy pods, and on which an agent belongs. Those take lazy pods whose agent's pod is ready
 * and has reported within {@link NodeReport#FRESH}; lazy pods require the label, so a node whose agent is gone gets none.
 */
@ControllerConfiguration(name = "agent-node")
public final class AgentNodeReconciler implements Reconciler<Node> {
    private static final Logger LOG = LoggerFactory.getLogger(AgentNodeReconciler.class);
    private static final Duration LOOK_AGAIN = Duration.ofSeconds(10);

    private final RolloutSettings settings;
    private final NodeReports reports;
    private final InstantSource clock;

    public AgentNodeReconciler(RolloutSettings settings, NodeReports reports, InstantSource clock) {
        this.settings = settings;
        this.reports = reports;
        this.clock = clock;
    }

    @Override
    public List<EventSource<?, Node>> prepareEventSources(EventSourceContext<Node> context) {
        var nodes = context.getPrimaryCache();
        return List.of(
                new InformerEventSource<>(
                        InformerEventSourceConfiguration.from(Pod.class, Node.class)
                                .withName("agents")
                                .withNamespaces(settings.namespace())
                                .withLabelSelector("%s in (%s,%s)"
                                        .formatted(
                                                Names.COMPONENT_LABEL,
                                                Names.AGENT_COMPONENT,
                                                AgentNames.LEAVE_COMPONENT))
                                .withSecondaryToPrimaryMapper(pod -> PodFacts.node(pod)
                                        .map(node -> Set.of(new ResourceID(node)))
                                        .orElse(Set.of()))
                                .build(),
                        context),
                new InformerEventSource<>(
                        InformerEventSourceConfiguration.from(SnapshotterConfig.class, Node.class)
                                .withName("configs")
                                .withSecondaryToPrimaryMapper(config -> nodes.list()
                                        .map(ResourceID::fromResource)
                                        .collect(Collectors.toSet()))
                                .withOnUpdateFilter((now, before) -> !Objects.equals(
                                                now.getMetadata().getGeneration(),
                                                before.getMetadata().getGeneration())
                                        || !Objects.equals(
                                                now.getMetadata().getDeletionTimestamp(),
                                                before.getMetadata().getDeletionTimestamp()))
                                .build(),
                        context));
    }

    @Override
    public UpdateControl<Node> reconcile(Node node, Context<Node> context) {
        var name = node.getMetadata().getName();
        var before = NodeLabels.of(node);
        var pods = context.getSecondaryResources(Pod.class);
        var now = before.after(sight(node, pods, configs(context)));
        if (now.ready() != before.ready()) {
            LOG.info("Node {} {} lazy pods", name, now.ready() ? "takes" : "takes no more");
        }
        now.patch(before)
                .ifPresent(patch -> context.getClient()
                        .nodes()
                        .withName(name)
                        // a merge patch does not touch the node's other fields
                        .patch(PatchContext.of(PatchType.JSON_MERGE), patch));
        // a report grows old without an event
        return pods.isEmpty() && now.equals(new NodeLabels(false, Optional.empty(), Optional.empty()))
                ? UpdateControl.noUpdate()
                : UpdateControl.<Node>noUpdate().rescheduleAfter(LOOK_AGAIN);
    }

    private NodeLabels.Sight sight(Node node, Set<Pod> pods, List<SnapshotterConfig> configs) {
        var labels = Optional.ofNullable(node.getMetadata().getLabels()).orElse(Map.of());
        var report = reports.of(node.getMetadata().getName());
        var owner = Placement.owner(labels, configs);
        var agents = pods.stream()
                .filter(pod -> Names.AGENT_COMPONENT.equals(PodFacts.component(pod)))
                .collect(Collectors.toSet());
        return new NodeLabels.Sight(
                owner.map(config -> AgentNames.of(config).label()),
                takesLazyPods(agents, report),
                owner.filter(config -> config.getMetadata().getDeletionTimestamp() != null)
                        .isPresent(),
                agents.stream()
                        .flatMap(pod -> PodFacts.config(pod).stream())
                        .map(config -> new AgentNames(config).label())
                        .collect(Collectors.toSet()),
                // an agent that has not said may have some
                !agents.isEmpty() && report.map(found -> found.attached() > 0).orElse(true),
                pods.stream()
                        .anyMatch(pod ->
                                AgentNames.LEAVE_COMPONENT.equals(PodFacts.component(pod)) && PodFacts.isReady(pod)),
                configs.stream().map(config -> AgentNames.of(config).label()).collect(Collectors.toSet()));
    }

    private static List<SnapshotterConfig> configs(Context<Node> context) {
        return context.eventSourceRetriever().getEventSourceFor(SnapshotterConfig.class)
                        instanceof InformerEventSource<SnapshotterConfig, Node> informer
                ? informer.list().toList()
                : List.of();
    }

    private boolean takesLazyPods(Set<Pod> agents, Optional<NodeReport> report) {
        return report.filter(found -> found.isFresh(clock.instant())).isPresent()
                && agents.stream().anyMatch(PodFacts::isReady);
    }
}
