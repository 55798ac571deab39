package dev.thaw.operator.rollout;

import dev.thaw.crds.Names;
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
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says by a label which nodes take lazy pods: those whose agent's pod is ready and has reported within
 * {@link NodeReport#FRESH}. Lazy pods require the label, so a node whose agent is gone gets none.
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
        return List.of(new InformerEventSource<>(
                InformerEventSourceConfiguration.from(Pod.class, Node.class)
                        .withName("agents")
                        .withNamespaces(settings.namespace())
                        .withLabelSelector(Names.COMPONENT_LABEL + "=" + Names.AGENT_COMPONENT)
                        .withSecondaryToPrimaryMapper(pod -> PodFacts.node(pod)
                                .map(node -> Set.of(new ResourceID(node)))
                                .orElse(Set.of()))
                        .build(),
                context));
    }

    @Override
    public UpdateControl<Node> reconcile(Node node, Context<Node> context) {
        var name = node.getMetadata().getName();
        var pods = context.getSecondaryResources(Pod.class);
        boolean ready = takesLazyPods(pods, reports.of(name));
        if (ready != isLabelled(node)) {
            LOG.info("Node {} {} lazy pods", name, ready ? "takes" : "takes no more");
            // a merge patch: null takes a label away, and the node's other fields are not touched
            var patch = "{\"metadata\":{\"labels\":{\"%s\":%s}}}"
                    .formatted(Names.AGENT, ready ? '"' + Names.AGENT_READY + '"' : null);
            context.getClient().nodes().withName(name).patch(PatchContext.of(PatchType.JSON_MERGE), patch);
        }
        // a report grows old without an event
        return pods.isEmpty() && !ready
                ? UpdateControl.noUpdate()
                : UpdateControl.<Node>noUpdate().rescheduleAfter(LOOK_AGAIN);
    }

    private boolean takesLazyPods(Set<Pod> pods, Optional<NodeReport> report) {
        return report.filter(found -> found.isFresh(clock.instant())).isPresent()
                && pods.stream().anyMatch(PodFacts::isReady);
    }

    private static boolean isLabelled(Node node) {
        var labels = node.getMetadata().getLabels();
        return labels != null && Names.AGENT_READY.equals(labels.get(Names.AGENT));
    }
}
