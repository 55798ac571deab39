package dev.thaw.operator.image;

import dev.thaw.crds.ConditionType;
import dev.thaw.crds.DeletionPolicy;
import dev.thaw.crds.Durations;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.LazyImageStatus.PlatformImage;
import dev.thaw.crds.Names;
import dev.thaw.crds.Reason;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import dev.thaw.operator.conversion.Attempt;
import dev.thaw.operator.conversion.ConversionLog;
import dev.thaw.operator.conversion.ConversionRequest;
import dev.thaw.operator.conversion.ConverterSettings;
import dev.thaw.operator.conversion.Failure;
import dev.thaw.operator.conversion.JobShape;
import dev.thaw.operator.image.Observation.Tried;
import dev.thaw.operator.node.ImageName;
import dev.thaw.operator.node.Nodes;
import dev.thaw.operator.registry.HttpImageRegistry;
import dev.thaw.operator.registry.ImageRegistry;
import dev.thaw.operator.registry.Keys;
import dev.thaw.operator.registry.RegistryEntry;
import dev.thaw.operator.registry.RegistrySecrets;
import dev.thaw.operator.registry.SourceImage;
import dev.thaw.operator.registry.TargetReference;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.javaoperatorsdk.operator.api.config.informer.InformerEventSourceConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.Cleaner;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.DeleteControl;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import io.javaoperatorsdk.operator.processing.event.source.informer.Mappers;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings a {@link LazyImage} from "wanted" to "served on every node": looks, decides, acts, and writes down.
 *
 * <p>A conversion that is in the registry already is not taken over by its looks: a Job is run all the same, which finds
 * the finished layers, compares the tree and ends soon. So nothing is given to pods that was not verified for this spec.
 */
@ControllerConfiguration(name = "lazyimage", finalizerName = Names.LAZY_IMAGE_FINALIZER)
public final class LazyImageReconciler implements Reconciler<LazyImage>, Cleaner<LazyImage> {
    private static final Logger LOG = LoggerFactory.getLogger(LazyImageReconciler.class);

    /** Nodes' figures are written into statuses that often at most. */
    private static final Duration NODE_NEWS_PAUSE = Duration.ofSeconds(10);

    /** A registry that does not let us delete holds an object, and so a namespace, back no longer than that. */
    private static final Duration REMOVAL_PATIENCE = Duration.ofMinutes(10);

    private static final Duration REMOVAL_PAUSE = Duration.ofSeconds(30);
    private static final Duration JOB_END_PAUSE = Duration.ofSeconds(2);
    private static final Duration REJECTED_PAUSE = Duration.ofMinutes(1);
    private static final String JOB_NAME_LABEL = "batch.kubernetes.io/job-name";
    private static final String JOBS = "conversion-jobs";
    private static final String PODS = "conversion-pods";
    private static final String NODES = "nodes";

    private final ConverterSettings settings;
    private final RegistrySecrets secrets;
    private final Sources sources;
    private final ConversionJobs jobs;
    private final Removal removal;
    private final Nodes nodes;
    private final Announcer announcer;
    private final ImageMetrics metrics;
    private final Clock clock;

    /**
     * @param registries those that differ from ordinary ones
     * @param nodes what is known of them
     */
    public LazyImageReconciler(
            KubernetesClient client,
            ConverterSettings settings,
            List<RegistryEntry> registries,
            Nodes nodes,
            MeterRegistry meters,
            Clock clock) {
        this(
                client,
                settings.withRegistries(
                        RegistryEntry.plainHttpHosts(registries), RegistryEntry.certificates(registries)),
                new HttpImageRegistry(RegistryEntry.settings(registries)),
                nodes,
                meters,
                clock);
    }

    LazyImageReconciler(
            KubernetesClient client,
            ConverterSettings settings,
            ImageRegistry registry,
            Nodes nodes,
            MeterRegistry meters,
            Clock clock) {
        this.settings = settings;
        this.nodes = nodes;
        this.clock = clock;
        secrets = new RegistrySecrets(client);
        sources = new Sources(registry, clock);
        jobs = new ConversionJobs(client);
        removal = new Removal(registry);
        announcer = new Announcer(client, clock);
        metrics = new ImageMetrics(meters);
    }

    @Override
    public List<EventSource<?, LazyImage>> prepareEventSources(EventSourceContext<LazyImage> context) {
        var jobSource = new InformerEventSource<>(
                InformerEventSourceConfiguration.from(Job.class, LazyImage.class)
                        .withName(JOBS)
                        .withLabelSelector(JobShape.SELECTOR)
                        .withSecondaryToPrimaryMapper(Mappers.fromOwnerReferences(LazyImage.class))
                        .build(),
                context);
        var podSource = new InformerEventSource<>(
                InformerEventSourceConfiguration.from(Pod.class, LazyImage.class)
                        .withName(PODS)
                        .withLabelSelector(JobShape.SELECTOR)
                        .withSecondaryToPrimaryMapper(pod -> ownersOf(pod, jobSource))
                        .build(),
                context);
        var nodeSource = new InformerEventSource<>(
                InformerEventSourceConfiguration.from(Node.class, LazyImage.class)
                        .withName(NODES)
                        .withSecondaryToPrimaryMapper(_ -> Set.of()) // only asked, and never a reason to reconcile
                        .withWatchAllNamespaces()
                        .build(),
                context);
        var news = new NodeNews(context.getPrimaryCache(), nodes, clock, NODE_NEWS_PAUSE);
        return List.of(jobSource, podSource, nodeSource, news);
    }

    @Override
    public UpdateControl<LazyImage> reconcile(LazyImage image, Context<LazyImage> context) {
        var seen = observe(image, context); // looks, never touches
        var phase = act(Phase.after(seen), image);
        tidy(image, phase, context);
        var before = image.getStatus() == null ? LazyImageStatus.EMPTY : image.getStatus();
        var status = NextStatus.of(image, phase, nodes.of(image, clock.instant()), clock.instant());
        metrics.seen(ImageName.of(image), status);
        if (status.equals(before)) {
            return schedule(UpdateControl.noUpdate(), phase);
        }
        announce(image, before, status, phase);
        return schedule(UpdateControl.patchStatus(withStatus(image, status, context)), phase);
    }

    @Override
    public DeleteControl cleanup(LazyImage image, Context<LazyImage> context) {
        var control = image.getSpec().deletionPolicy() == DeletionPolicy.DELETE
                ? remove(image, context)
                : DeleteControl.defaultDelete();
        if (control.isRemoveFinalizer()) {
            sources.forget(image);
            announcer.forget(ImageName.of(image));
            metrics.forget(ImageName.of(image));
        }
        return control;
    }

    private Observation observe(LazyImage image, Context<LazyImage> context) {
        var spec = image.getSpec();
        if (spec.suspend()) {
            return new Observation.Suspended();
        }
        Reference reference;
        Reference target;
        try {
            reference = Reference.parse(spec.image());
            target = TargetReference.of(spec);
        } catch (IllegalArgumentException e) {
            return new Observation.Unresolved(
                    Failure.lasting(Reason.INVALID_REFERENCE, String.valueOf(e.getMessage())), Optional.empty());
        }
        var keys = secrets.all(image);
        if (!keys.problems().isEmpty()) {
            return new Observation.Unresolved(
                    Failure.lasting(Reason.SECRET_NOT_FOUND, String.join(" ", keys.problems())), Optional.empty());
        }
        var pulling = secrets.pulling(image);
        return switch (sources.look(image, reference, new Keys(pulling.config(), keys.version(), List.of()))) {
            case Look.Missing(var failure, var again) -> new Observation.Unresolved(failure, again);
            case Look.Found(var source, var again) ->
                resolved(image, reference, target, source, keys.version(), again, context);
        };
    }

    private Observation resolved(
            LazyImage image,
            Reference reference,
            Reference target,
            SourceImage source,
            String secretsVersion,
            Optional<Duration> again,
            Context<LazyImage> context) {
        var spec = image.getSpec();
        var status = NextStatus.forThisImage(image);
        List<String> platforms;
        try {
            platforms = WantedPlatforms.of(source, spec.platforms(), nodePlatforms(context), converted(status, source));
        } catch (IllegalArgumentException e) {
            return new Observation.Unconvertible(
                    source, Failure.lasting(Reason.PLATFORM_NOT_FOUND, String.valueOf(e.getMessage())), again);
        }
        var request = new ConversionRequest(
                reference.toString(),
                reference.name(),
                source.digest().toString(),
                target.toString(),
                platforms,
                spec.mode(),
                spec.chunkSize(),
                spec.compression(),
                spec.verification(),
                dictionary(image, status, source, context));
        var mark = JobShape.mark(image.getMetadata().getGeneration(), secretsVersion);
        return new Observation.Resolved(
                source,
                request,
                isPublished(status, request),
                tried(image, status, request, context),
                mark,
                Objects.requireNonNullElse(spec.converter().backoffLimit(), 0),
                running(context) < settings.maxRunning(),
                again,
                clock.instant());
    }

    /**
     * The lazy image that a conversion of this source shares chunks with. What one was begun with stays: that the dictionary has moved on
     * is no reason to convert anew.
     */
    private static Optional<String> dictionary(
            LazyImage image, LazyImageStatus status, SourceImage source, Context<LazyImage> context) {
        var wanted = image.getSpec().chunkDictRef();
        if (wanted == null) {
            return Optional.empty();
        }
        var conversion = status.conversion();
        boolean failed = conversion != null
                && conversion.completionTime() != null
                && status.condition(ConditionType.CONVERTED)
                        .filter(condition -> condition.holds())
                        .isEmpty();
        if (conversion != null
                && conversion.options() != null
                && source.digest().toString().equals(conversion.sourceDigest())
                && !failed) {
            return ConversionRequest.dictionaryOf(conversion.options());
        }
        var namespace = image.getMetadata().getNamespace();
        var itself = wanted.name().equals(image.getMetadata().getName());
        var other =
                itself ? Optional.of(image) : context.getPrimaryCache().get(new ResourceID(wanted.name(), namespace));
        return other.map(LazyImage::getStatus).flatMap(LazyImageReconciler::lastPublished);
    }

    private static Optional<String> lastPublished(LazyImageStatus status) {
        return Optional.ofNullable(status.lazyImage())
                .or(() -> status.earlier().stream().findFirst().map(earlier -> earlier.lazyImage()));
    }

    private static List<String> converted(LazyImageStatus status, SourceImage source) {
        boolean same = status.source() != null
                && status.source().digest().equals(source.digest().toString());
        return same ? status.platforms().stream().map(PlatformImage::platform).toList() : List.of();
    }

    private static boolean isPublished(LazyImageStatus status, ConversionRequest request) {
        var conversion = status.conversion();
        return conversion != null
                && status.lazyImage() != null
                && request.options().equals(conversion.options())
                && request.digest().equals(conversion.sourceDigest())
                && status.condition(ConditionType.CONVERTED)
                        .filter(condition -> condition.holds())
                        .isPresent();
    }

    private Optional<Tried> tried(
            LazyImage image, LazyImageStatus status, ConversionRequest request, Context<LazyImage> context) {
        var namespace = image.getMetadata().getNamespace();
        return jobs(context)
                .list(namespace, job -> request.id().equals(label(job, JobShape.CONVERSION_LABEL)))
                .max(Comparator.comparingInt(JobShape::attempt))
                .map(job -> {
                    var name = job.getMetadata().getName();
                    var pods = pods(context)
                            .list(namespace, pod -> name.equals(label(pod, JOB_NAME_LABEL)))
                            .toList();
                    return tried(namespace, status, Attempt.of(job, pods));
                });
    }

    private Tried tried(String namespace, LazyImageStatus status, Attempt attempt) {
        return switch (attempt.state()) {
            case Attempt.Running running -> {
                var log = running.waiting().isEmpty() ? log(namespace, running.pod()) : ConversionLog.of("");
                yield new Tried(attempt, log.progress().or(() -> lastProgress(status, attempt)), "");
            }
            case Attempt.Succeeded _ -> new Tried(attempt, Optional.empty(), "");
            case Attempt.Failed failed -> {
                var known = Optional.ofNullable(status.conversion())
                        .filter(conversion ->
                                attempt.job().equals(conversion.job()) && conversion.completionTime() != null);
                var log = known.isPresent()
                        ? Objects.requireNonNullElse(known.get().log(), "")
                        : log(namespace, failed.pod()).tail();
                yield new Tried(attempt, Optional.empty(), log);
            }
        };
    }

    private static Optional<LazyImageStatus.Progress> lastProgress(LazyImageStatus status, Attempt attempt) {
        var known = status.conversion();
        return known != null && attempt.job().equals(known.job())
                ? Optional.ofNullable(status.progress())
                : Optional.empty();
    }

    private ConversionLog log(String namespace, Optional<String> pod) {
        return pod.map(name -> jobs.log(namespace, name)).orElseGet(() -> ConversionLog.of(""));
    }

    private static long running(Context<LazyImage> context) {
        return jobs(context).list(job -> !isFinished(job)).count();
    }

    private static List<Platform> nodePlatforms(Context<LazyImage> context) {
        return source(context, Node.class, NODES)
                .list(_ -> true)
                .map(Node::getStatus)
                .filter(Objects::nonNull)
                .map(status -> status.getNodeInfo())
                .filter(Objects::nonNull)
                .map(info -> new Platform(info.getOperatingSystem(), info.getArchitecture()))
                .distinct()
                .toList();
    }

    /** Does what the phase asks for; the phase that comes of it. */
    private Phase act(Phase phase, LazyImage image) {
        if (!(phase instanceof Phase.Starting starting)) {
            return phase;
        }
        var job = JobShape.of(starting.request(), image, starting.attempt(), starting.mark(), settings);
        var rejected = jobs.start(job, image);
        if (rejected.isPresent()) {
            return new Phase.Failed(
                    starting.source(),
                    Optional.of(starting.request()),
                    Optional.empty(),
                    rejected.get(),
                    clock.instant(),
                    "",
                    Optional.of(REJECTED_PAUSE));
        }
        metrics.started();
        LOG.info(
                "{}: Job {} converts {}",
                ImageName.of(image),
                job.getMetadata().getName(),
                starting.request().source());
        return starting;
    }

    /** Jobs that nobody needs any more are deleted, one whose result is written down is deleted after a while. */
    private void tidy(LazyImage image, Phase phase, Context<LazyImage> context) {
        var current = currentJob(phase);
        var namespace = image.getMetadata().getNamespace();
        for (var job : jobs(context).list(namespace, _ -> true).toList()) {
            var name = job.getMetadata().getName();
            if (name.equals(current.orElse(""))) {
                jobs.join(job, image);
            } else if (ConversionJobs.isOwnedBy(job, image) && isNeedless(job, phase)) {
                jobs.delete(job);
            } else if (ConversionJobs.isOwnedBy(job, image) && phase instanceof Phase.Ready) {
                jobs.retire(job, (int)
                        Durations.parse(image.getSpec().converter().ttl()).toSeconds());
            }
        }
    }

    private static Optional<String> currentJob(Phase phase) {
        return switch (phase) {
            case Phase.Starting starting -> Optional.of(JobShape.name(starting.request(), starting.attempt()));
            case Phase.Converting converting -> Optional.of(converting.attempt().job());
            case Phase.Failed failed -> failed.attempt().map(Attempt::job);
            case Phase.Ready ready -> ready.news().map(news -> news.attempt().job());
            case Phase.Suspended _, Phase.Unresolved _, Phase.Queued _ -> Optional.empty();
        };
    }

    /** A Job that is not the current one, of which the phase says that it cannot become it again. */
    private static boolean isNeedless(Job job, Phase phase) {
        return switch (phase) {
            case Phase.Suspended _ -> !isFinished(job);
            case Phase.Unresolved _ -> false;
            // its failure says when the next try is due
            case Phase.Queued queued -> !queued.request().id().equals(label(job, JobShape.CONVERSION_LABEL));
            case Phase.Starting _, Phase.Converting _, Phase.Failed _ -> !isComplete(job);
            case Phase.Ready _ -> !isComplete(job);
        };
    }

    private void announce(LazyImage image, LazyImageStatus before, LazyImageStatus status, Phase phase) {
        for (var happening : Happening.between(before, status)) {
            announcer.announce(image, happening);
            switch (happening.reason()) {
                case CONVERSION_SUCCEEDED -> {
                    if (phase instanceof Phase.Ready ready) {
                        ready.news().ifPresent(news -> metrics.succeeded(news.result()));
                    }
                }
                case CONVERSION_FAILED, VERIFICATION_FAILED -> {
                    if (phase instanceof Phase.Failed failed) {
                        metrics.failed(failed.failure().reason());
                    }
                }
                case RESOLVED, CONVERSION_STARTED, PUBLISHED, COLD_START_MEASURED, SLO_VIOLATED, DELETION_FAILED -> {}
            }
        }
    }

    private DeleteControl remove(LazyImage image, Context<LazyImage> context) {
        var unfinished = jobs(context)
                .list(
                        image.getMetadata().getNamespace(),
                        job -> ConversionJobs.isOwnedBy(job, image) && !isFinished(job))
                .toList();
        if (!unfinished.isEmpty()) {
            unfinished.forEach(jobs::delete); // else it might publish what has just been deleted
            return DeleteControl.noFinalizerRemoval().rescheduleAfter(JOB_END_PAUSE.toMillis());
        }
        try {
            var self = ImageName.of(image);
            var others = context.getPrimaryCache()
                    .list(other -> !ImageName.of(other).equals(self))
                    .toList();
            removal.of(image, others, secrets.pushing(image).config());
            return DeleteControl.defaultDelete();
        } catch (IOException | IllegalArgumentException e) {
            return giveUpOrTryAgain(image, String.valueOf(e.getMessage()));
        }
    }

    private DeleteControl giveUpOrTryAgain(LazyImage image, String message) {
        var since = Instant.parse(image.getMetadata().getDeletionTimestamp());
        if (clock.instant().isBefore(since.plus(REMOVAL_PATIENCE))) {
            LOG.info("{}: what was published cannot be deleted yet: {}", ImageName.of(image), message);
            return DeleteControl.noFinalizerRemoval().rescheduleAfter(REMOVAL_PAUSE.toMillis());
        }
        LOG.warn("{}: what was published stays in the registry: {}", ImageName.of(image), message);
        announcer.announce(
                image,
                Happening.warning(
                        Happening.Kind.DELETION_FAILED,
                        "Delete",
                        "What was published stays in the registry and may be deleted by hand: " + message));
        return DeleteControl.defaultDelete();
    }

    private static UpdateControl<LazyImage> schedule(UpdateControl<LazyImage> control, Phase phase) {
        return phase.again()
                .map(pause -> control.rescheduleAfter(pause.isPositive() ? pause : Duration.ofMillis(1)))
                .orElse(control);
    }

    /** What is sent: with server-side apply, names and status only, since what is sent is what is owned. */
    private static LazyImage withStatus(LazyImage image, LazyImageStatus status, Context<LazyImage> context) {
        var copy = new LazyImage();
        if (context.getControllerConfiguration().getConfigurationService().useSSAToPatchPrimaryResource()) {
            copy.setMetadata(new ObjectMetaBuilder()
                    .withNamespace(image.getMetadata().getNamespace())
                    .withName(image.getMetadata().getName())
                    .build());
        } else {
            copy.setMetadata(image.getMetadata().edit().build());
            copy.setSpec(image.getSpec());
        }
        copy.setStatus(status);
        return copy;
    }

    private static Set<ResourceID> ownersOf(Pod pod, InformerEventSource<Job, LazyImage> jobs) {
        var job = label(pod, JOB_NAME_LABEL);
        return jobs.get(new ResourceID(job, pod.getMetadata().getNamespace()))
                .map(found -> Mappers.<Job>fromOwnerReferences(LazyImage.class).toPrimaryResourceIDs(found))
                .orElse(Set.of());
    }

    private static InformerEventSource<Job, LazyImage> jobs(Context<LazyImage> context) {
        return source(context, Job.class, JOBS);
    }

    private static InformerEventSource<Pod, LazyImage> pods(Context<LazyImage> context) {
        return source(context, Pod.class, PODS);
    }

    private static <R extends HasMetadata> InformerEventSource<R, LazyImage> source(
            Context<LazyImage> context, Class<R> type, String name) {
        return (InformerEventSource<R, LazyImage>)
                context.eventSourceRetriever().<R>getEventSourceFor(type, name);
    }

    private static String label(HasMetadata object, String key) {
        var labels = object.getMetadata().getLabels();
        return labels == null ? "" : labels.getOrDefault(key, "");
    }

    private static boolean isComplete(Job job) {
        return hasCondition(job, "Complete");
    }

    private static boolean isFinished(Job job) {
        return isComplete(job) || hasCondition(job, "Failed");
    }

    private static boolean hasCondition(Job job, String type) {
        var status = job.getStatus();
        return status != null
                && status.getConditions() != null
                && status.getConditions().stream()
                        .anyMatch(
                                condition -> type.equals(condition.getType()) && "True".equals(condition.getStatus()));
    }
}
