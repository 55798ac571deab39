package dev.thaw.operator.rollout;

import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionStatus;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.Names;
import dev.thaw.crds.Reason;
import dev.thaw.crds.SnapshotterConfig;
import dev.thaw.crds.SnapshotterConfigStatus;
import dev.thaw.operator.node.NodeReports;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClass;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.javaoperatorsdk.operator.api.config.informer.InformerEventSourceConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.Cleaner;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.DeleteControl;
import io.javaoperatorsdk.operator.api.reconciler.ErrorStatusUpdateControl;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.javaoperatorsdk.operator.processing.event.source.IndexerResourceCache;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings a {@link SnapshotterConfig} onto its nodes, says how far it has come, and takes it back when it is deleted.
 */
@ControllerConfiguration(name = "snapshotter-config", finalizerName = Names.SNAPSHOTTER_CONFIG_FINALIZER)
public final class SnapshotterConfigReconciler implements Reconciler<SnapshotterConfig>, Cleaner<SnapshotterConfig> {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotterConfigReconciler.class);
    private static final Duration LOOK_AGAIN = Duration.ofSeconds(30);
    private static final Duration LOOK_SOON = Duration.ofSeconds(5);

    private final RolloutSettings settings;
    private final NodeReports reports;
    private final Apply apply;
    private final InstantSource clock;

    /** @param reports what agents say of their nodes; reading it is all that is done with it */
    public SnapshotterConfigReconciler(
            RolloutSettings settings, NodeReports reports, Apply apply, InstantSource clock) {
        this.settings = settings;
        this.reports = reports;
        this.apply = apply;
        this.clock = clock;
    }

    @Override
    public List<EventSource<?, SnapshotterConfig>> prepareEventSources(EventSourceContext<SnapshotterConfig> context) {
        var primaries = context.getPrimaryCache();
        return List.of(
                owned(DaemonSet.class, "daemonsets", context),
                owned(Pod.class, "pods", context),
                new InformerEventSource<>(
                        InformerEventSourceConfiguration.from(Node.class, SnapshotterConfig.class)
                                .withName("nodes")
                                .withSecondaryToPrimaryMapper(_ -> all(primaries))
                                .withOnUpdateFilter(SnapshotterConfigReconciler::matters)
                                .build(),
                        context),
                new InformerEventSource<>(
                        InformerEventSourceConfiguration.from(RuntimeClass.class, SnapshotterConfig.class)
                                .withName("runtimeclasses")
                                .withSecondaryToPrimaryMapper(_ -> all(primaries))
                                .build(),
                        context),
                // a configuration's nodes depend on the others' selectors and priorities
                new InformerEventSource<>(
                        InformerEventSourceConfiguration.from(SnapshotterConfig.class, SnapshotterConfig.class)
                                .withName("other-configs")
                                .withSecondaryToPrimaryMapper(changed -> all(primaries).stream()
                                        .filter(id -> !id.equals(ResourceID.fromResource(changed)))
                                        .collect(Collectors.toSet()))
                                .withOnUpdateFilter((now, before) -> !Objects.equals(
                                        now.getMetadata().getGeneration(),
                                        before.getMetadata().getGeneration()))
                                .build(),
                        context));
    }

    private <R extends HasMetadata> InformerEventSource<R, SnapshotterConfig> owned(
            Class<R> type, String name, EventSourceContext<SnapshotterConfig> context) {
        return new InformerEventSource<>(
                InformerEventSourceConfiguration.from(type, SnapshotterConfig.class)
                        .withName(name)
                        .withNamespaces(settings.namespace())
                        .withLabelSelector(Names.SNAPSHOTTER_CONFIG_LABEL)
                        .withSecondaryToPrimaryMapper(object -> PodFacts.config(object)
                                .map(config -> Set.of(new ResourceID(config)))
                                .orElse(Set.of()))
                        .build(),
                context);
    }

    private static Set<ResourceID> all(IndexerResourceCache<SnapshotterConfig> primaries) {
        return primaries.list().map(ResourceID::fromResource).collect(Collectors.toSet());
    }

    private static boolean matters(Node now, Node before) {
        return PodFacts.isReady(now) != PodFacts.isReady(before)
                || !Objects.equals(
                        now.getMetadata().getLabels(), before.getMetadata().getLabels());
    }

    @Override
    public UpdateControl<SnapshotterConfig> reconcile(SnapshotterConfig config, Context<SnapshotterConfig> context) {
        var seen = observe(config, context);
        var shape = new AgentShape(config, seen.placement(), nodeService(context.getClient()), settings);
        seen.uninstall().ifPresent(leftover -> delete(leftover, context));
        apply.apply(shape.configuration());
        apply.apply(shape.holder());
        apply.apply(shape.agent());
        if (seen.hasLeavingNodes()) {
            apply.apply(shape.leave());
        } else {
            seen.leave().ifPresent(idle -> delete(idle, context));
        }
        applyRuntimeClasses(seen.configs(), context);

        var before = Optional.ofNullable(config.getStatus()).orElse(SnapshotterConfigStatus.EMPTY);
        var status = new RolloutStatus(seen).status(before);
        return status.equals(before)
                ? UpdateControl.<SnapshotterConfig>noUpdate().rescheduleAfter(LOOK_AGAIN)
                : UpdateControl.patchStatus(withStatus(config, status)).rescheduleAfter(LOOK_AGAIN);
    }

    @Override
    public DeleteControl cleanup(SnapshotterConfig config, Context<SnapshotterConfig> context) {
        var seen = observe(config, context);
        return switch (Removal.after(seen)) {
            case Removal.InUse inUse -> {
                tell(config, context, sentence(config, inUse));
                yield later();
            }
            case Removal.StoppingAgents stopping -> {
                seen.agent().ifPresent(set -> delete(set, context));
                tell(config, context, "Agents are being stopped" + on(stopping.nodes()) + ".");
                yield later();
            }
            case Removal.Uninstalling uninstalling -> {
                if (uninstalling.missing()) {
                    var shape = new AgentShape(config, seen.placement(), nodeService(context.getClient()), settings);
                    apply.apply(shape.configuration());
                    apply.apply(shape.uninstall());
                }
                tell(config, context, sentence(uninstalling));
                yield later();
            }
            case Removal.Done done -> {
                finish(config, seen, context);
                var events = new RolloutEvents(context.getClient(), clock);
                if (done.leftBehind().isEmpty()) {
                    events.tell(
                            config,
                            RolloutEvents.Happening.REMOVED,
                            "containerd's configuration was given back on every node");
                } else {
                    events.tell(
                            config,
                            RolloutEvents.Happening.NODES_LEFT_BEHIND,
                            "containerd's configuration was not given back%s: not up for %d minutes; run \"uninstall\" of the agent's image there"
                                    .formatted(on(done.leftBehind()), Removal.PATIENCE.toMinutes()));
                }
                yield DeleteControl.defaultDelete();
            }
        };
    }

    @Override
    public ErrorStatusUpdateControl<SnapshotterConfig> updateErrorStatus(
            SnapshotterConfig config, Context<SnapshotterConfig> context, Exception error) {
        var before = Optional.ofNullable(config.getStatus()).orElse(SnapshotterConfigStatus.EMPTY);
        var generation = config.getMetadata().getGeneration();
        var failed = Condition.of(
                ConditionType.DEGRADED,
                ConditionStatus.TRUE,
                Reason.INTERNAL,
                "The agents' objects could not be applied: " + error.getMessage());
        var status = before.toBuilder()
                .conditions(Condition.merge(before.conditions(), List.of(failed), generation, clock.instant()))
                .build();
        return status.equals(before)
                ? ErrorStatusUpdateControl.noStatusUpdate()
                : ErrorStatusUpdateControl.patchStatus(withStatus(config, status));
    }

    private Observation observe(SnapshotterConfig config, Context<SnapshotterConfig> context) {
        var configs = new ArrayList<>(context.getPrimaryCache()
                .list()
                .filter(other -> !other.getMetadata()
                        .getName()
                        .equals(config.getMetadata().getName()))
                .toList());
        configs.add(config);
        var names = AgentNames.of(config);
        var sets = context.getSecondaryResources(DaemonSet.class);
        var placement = Placement.of(config, configs);
        var classes = everything(RuntimeClass.class, context);
        var unheeded = new ArrayList<String>();
        classes.stream()
                .filter(found -> !RuntimeClassShape.isOurs(found)
                        && RuntimeClassShape.names(config)
                                .contains(found.getMetadata().getName()))
                .forEach(
                        found -> unheeded.add(
                                "RuntimeClass " + found.getMetadata().getName()
                                        + " was not made by Thaw and is left as it is; its handler must be the one of the same name"));
        if (nodeServiceAddress(context.getClient()).isEmpty()) {
            unheeded.add("Service " + settings.nodeServiceName() + " of the operator has no address yet:"
                    + " agents dial its name, which needs cluster DNS on the host's network");
        }
        return new Observation(
                config,
                configs,
                placement,
                named(sets, names.agent()),
                named(sets, names.uninstall()),
                named(sets, names.leave()),
                List.copyOf(context.getSecondaryResources(Pod.class)),
                Observation.byName(everything(Node.class, context)),
                Observation.byNode(reports.all()),
                unheeded,
                clock.instant());
    }

    /** All objects of a kind, whichever configurations were there when they came. */
    private static <R extends HasMetadata> List<R> everything(Class<R> type, Context<SnapshotterConfig> context) {
        return context.eventSourceRetriever().getEventSourceFor(type)
                        instanceof InformerEventSource<R, SnapshotterConfig> informer
                ? informer.list().toList()
                : List.of();
    }

    private static Optional<DaemonSet> named(Set<DaemonSet> sets, String name) {
        return sets.stream()
                .filter(set -> set.getMetadata().getName().equals(name))
                .findFirst();
    }

    private void applyRuntimeClasses(List<SnapshotterConfig> configs, Context<SnapshotterConfig> context) {
        var found = everything(RuntimeClass.class, context);
        var wanted = RuntimeClassShape.of(configs);
        found.stream()
                .filter(existing -> !RuntimeClassShape.isOurs(existing))
                .forEach(foreign -> wanted.remove(foreign.getMetadata().getName()));
        wanted.values().forEach(apply::apply);
        found.stream()
                .filter(RuntimeClassShape::isOurs)
                .filter(existing -> !wanted.containsKey(existing.getMetadata().getName()))
                .forEach(unwanted -> delete(unwanted, context));
    }

    /** The uninstaller goes last: were it gone and the finalizer still there, all would begin again. */
    private void finish(SnapshotterConfig config, Observation seen, Context<SnapshotterConfig> context) {
        var remaining = seen.configs().stream()
                .filter(other -> !other.getMetadata()
                        .getName()
                        .equals(config.getMetadata().getName()))
                .toList();
        applyRuntimeClasses(remaining, context);
        var holder = AgentNames.of(config).holder();
        context.getSecondaryResources(DaemonSet.class).stream()
                .filter(set -> set.getMetadata().getName().equals(holder))
                .forEach(set -> delete(set, context));
        seen.leave().ifPresent(set -> delete(set, context));
        seen.uninstall().ifPresent(set -> delete(set, context));
    }

    private static void delete(HasMetadata object, Context<SnapshotterConfig> context) {
        if (object.getMetadata().getDeletionTimestamp() == null) {
            LOG.info("Deleting {} {}", object.getKind(), object.getMetadata().getName());
            context.getClient().resource(object).delete();
        }
    }

    /** While a configuration is being deleted, its condition Progressing tells how far that is. */
    private void tell(SnapshotterConfig config, Context<SnapshotterConfig> context, String message) {
        var before = Optional.ofNullable(config.getStatus()).orElse(SnapshotterConfigStatus.EMPTY);
        var removing = Condition.of(ConditionType.PROGRESSING, ConditionStatus.TRUE, Reason.REMOVING, message);
        var gone = Condition.of(ConditionType.READY, ConditionStatus.FALSE, Reason.REMOVING);
        var conditions = Condition.merge(
                before.conditions(),
                List.of(gone, removing),
                config.getMetadata().getGeneration(),
                clock.instant());
        if (!conditions.equals(before.conditions())) {
            var status = before.toBuilder().conditions(conditions).build();
            context.getClient().resource(config).editStatus(current -> withStatus(current, status));
        }
    }

    private static String sentence(SnapshotterConfig config, Removal.InUse inUse) {
        return "Running containers read lazy images through the agents%s and would see input/output errors without them: end or restart their pods (%d containers), or take the agents away nevertheless with \"kubectl annotate snapshotterconfig %s %s=true\"."
                .formatted(
                        on(inUse.containers().keySet()),
                        inUse.containers().values().stream()
                                .mapToInt(Integer::intValue)
                                .sum(),
                        config.getMetadata().getName(),
                        Names.FORCE_REMOVAL);
    }

    private static String sentence(Removal.Uninstalling uninstalling) {
        var text = new StringBuilder("containerd's configuration is being given back");
        text.append(on(uninstalling.pending())).append('.');
        if (!uninstalling.silent().isEmpty()) {
            text.append(" Not up:")
                    .append(on(uninstalling.silent()).substring(3))
                    .append('.');
        }
        uninstalling.failures().stream()
                .limit(3)
                .forEach(failure -> text.append(' ').append(failure));
        return text.toString();
    }

    private static String on(Set<String> nodes) {
        var first = nodes.stream().limit(10).collect(Collectors.joining(", "));
        return nodes.isEmpty()
                ? ""
                : " on " + first + (nodes.size() > 10 ? " and " + (nodes.size() - 10) + " more" : "");
    }

    private static DeleteControl later() {
        return DeleteControl.noFinalizerRemoval().rescheduleAfter(LOOK_SOON.toMillis());
    }

    /** host:port that agents dial: the Service's address, or its name while it has none. */
    private String nodeService(KubernetesClient client) {
        var host = nodeServiceAddress(client).orElse(settings.nodeServiceHost());
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + settings.nodeServicePort();
    }

    private Optional<String> nodeServiceAddress(KubernetesClient client) {
        return Optional.ofNullable(client.services()
                        .inNamespace(settings.namespace())
                        .withName(settings.nodeServiceName())
                        .get())
                .flatMap(service -> Optional.ofNullable(service.getSpec().getClusterIP()))
                .filter(address -> !address.isEmpty() && !"None".equals(address));
    }

    private static SnapshotterConfig withStatus(SnapshotterConfig config, SnapshotterConfigStatus status) {
        var copy = new SnapshotterConfig();
        copy.setMetadata(new ObjectMetaBuilder(config.getMetadata())
                .withResourceVersion(null)
                .withManagedFields()
                .build());
        copy.setSpec(config.getSpec());
        copy.setStatus(status);
        return copy;
    }
}
