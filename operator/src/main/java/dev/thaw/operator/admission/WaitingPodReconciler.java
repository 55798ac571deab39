package dev.thaw.operator.admission;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.Reason;
import io.fabric8.kubernetes.api.model.Pod;
import io.javaoperatorsdk.operator.api.config.informer.Informer;
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
import java.time.Instant;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets pods go that wait for a conversion. The runtime class was set when the pod was admitted, because it never can be
 * later; the images and the gate may still be changed.
 *
 * <pre>
 *  waiting ──every LazyImage is ready──▶ images swapped, gate taken away
 *     └─────one has failed or is not there─▶ that image stays, and runs as an ordinary one on the lazy snapshotter
 * </pre>
 */
@ControllerConfiguration(name = "waiting-pod", informer = @Informer(labelSelector = LazyPod.WAITING_LABEL + "=true"))
public final class WaitingPodReconciler implements Reconciler<Pod> {
    private static final Logger LOG = LoggerFactory.getLogger(WaitingPodReconciler.class);
    private static final Duration LOOK_AGAIN = Duration.ofSeconds(30);

    /** How long a LazyImage may take to come into being; it is made when the pod is. */
    private static final Duration TIME_TO_APPEAR = Duration.ofMinutes(1);

    private final InstantSource clock;

    public WaitingPodReconciler(InstantSource clock) {
        this.clock = clock;
    }

    @Override
    public List<EventSource<?, Pod>> prepareEventSources(EventSourceContext<Pod> context) {
        var primaries = context.getPrimaryCache();
        return List.of(new InformerEventSource<>(
                InformerEventSourceConfiguration.from(LazyImage.class, Pod.class)
                        .withName("lazyimages")
                        .withNamespacesInheritedFromController()
                        .withSecondaryToPrimaryMapper(image -> primaries
                                .list(image.getMetadata().getNamespace())
                                .filter(pod -> waitsFor(pod, image.getMetadata().getName()))
                                .map(ResourceID::fromResource)
                                .collect(Collectors.toSet()))
                        .withPrimaryToSecondaryMapper((Pod pod) -> waiting(pod).values().stream()
                                .map(name ->
                                        new ResourceID(name, pod.getMetadata().getNamespace()))
                                .collect(Collectors.toSet()))
                        .build(),
                context));
    }

    @Override
    public UpdateControl<Pod> reconcile(Pod pod, Context<Pod> context) {
        if (!LazyPod.isGated(pod) || pod.getMetadata().getDeletionTimestamp() != null) {
            return UpdateControl.noUpdate();
        }
        var images = context.getSecondaryResourcesAsStream(LazyImage.class)
                .collect(Collectors.toMap(image -> image.getMetadata().getName(), image -> image));
        var ready = new LinkedHashMap<String, String>();
        for (var entry : waiting(pod).entrySet()) {
            switch (conversion(pod, Optional.ofNullable(images.get(entry.getValue())))) {
                case Conversion.Ready found -> ready.put(entry.getKey(), found.image());
                case Conversion.Failed failed ->
                    LOG.info(
                            "Pod {}/{} keeps the image of container {}: LazyImage {}: {}",
                            pod.getMetadata().getNamespace(),
                            pod.getMetadata().getName(),
                            entry.getKey(),
                            entry.getValue(),
                            failed.reason());
                case Conversion.Pending _ -> {
                    return UpdateControl.<Pod>noUpdate().rescheduleAfter(LOOK_AGAIN);
                }
            }
        }
        LOG.info(
                "Pod {}/{} goes on with {} lazy images",
                pod.getMetadata().getNamespace(),
                pod.getMetadata().getName(),
                ready.size());
        context.getClient().resource(pod).edit(current -> released(current, ready));
        return UpdateControl.noUpdate();
    }

    static Pod released(Pod pod, Map<String, String> lazyImages) {
        var lazy = new LazyPod(pod);
        lazyImages.forEach(lazy::swap);
        lazy.release();
        return lazy.pod();
    }

    private Conversion conversion(Pod pod, Optional<LazyImage> image) {
        if (image.isPresent()) {
            return Conversion.of(image.get());
        }
        var created = pod.getMetadata().getCreationTimestamp();
        boolean late = created != null
                && clock.instant().isAfter(Instant.parse(created).plus(TIME_TO_APPEAR));
        return late ? new Conversion.Failed(Reason.UNKNOWN) : new Conversion.Pending();
    }

    private static boolean waitsFor(Pod pod, String image) {
        return waiting(pod).containsValue(image);
    }

    /** Container to the LazyImage that it waits for. */
    private static Map<String, String> waiting(Pod pod) {
        Map<String, String> waiting = new LinkedHashMap<>();
        for (var container : LazyPod.containers(pod)) {
            LazyPod.lazyImage(pod, container)
                    .filter(_ -> !LazyPod.isSwapped(pod, container))
                    .ifPresent(image -> waiting.put(container.getName(), image));
        }
        return waiting;
    }
}
