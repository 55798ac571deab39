package dev.thaw.operator.image;

import static dev.thaw.crds.ConditionStatus.FALSE;
import static dev.thaw.crds.ConditionStatus.TRUE;
import static dev.thaw.crds.ConditionStatus.UNKNOWN;

import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionStatus;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.ConversionPhase;
import dev.thaw.crds.Durations;
import dev.thaw.crds.Latency;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.LazyImageStatus.Artifact;
import dev.thaw.crds.LazyImageStatus.ColdStart;
import dev.thaw.crds.LazyImageStatus.Conversion;
import dev.thaw.crds.LazyImageStatus.Earlier;
import dev.thaw.crds.LazyImageStatus.Source;
import dev.thaw.crds.Reason;
import dev.thaw.crds.ResolvePolicy;
import dev.thaw.operator.conversion.Attempt;
import dev.thaw.operator.conversion.ConversionRequest;
import dev.thaw.operator.conversion.Failure;
import dev.thaw.operator.conversion.JobShape;
import dev.thaw.operator.node.ImageNodes;
import dev.thaw.operator.registry.SourceImage;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The status that a phase gives, on the ground of the one before: what is not known anew stays, and what was published
 * stays until something newer is.
 */
final class NextStatus {
    /** Until then the time of an unchanged look is not written anew: a status is not a clock. */
    private static final Duration LOOK_MEMORY = Duration.ofHours(1);

    private final LazyImage image;
    private final LazyImageStatus before;
    private final ImageNodes nodes;
    private final Instant now;
    private final LazyImageStatus.Builder next;
    private final List<Condition> conditions = new ArrayList<>();

    private NextStatus(LazyImage image, ImageNodes nodes, Instant now) {
        this.image = image;
        this.before = forThisImage(image);
        this.nodes = nodes;
        this.now = now;
        this.next = before.toBuilder();
    }

    static LazyImageStatus of(LazyImage image, Phase phase, ImageNodes nodes, Instant now) {
        return new NextStatus(image, nodes, now).after(phase);
    }

    /**
     * The image's status, as far as it speaks of the image that the spec names now. What was published of another one is
     * no longer what pods are given, and stays known to nodes.
     */
    static LazyImageStatus forThisImage(LazyImage image) {
        var status = image.getStatus() == null ? LazyImageStatus.EMPTY : image.getStatus();
        var conversion = status.conversion();
        if (conversion == null
                || conversion.options() == null
                || ConversionRequest.isFor(conversion.options(), References.nameOf(image))) {
            return status;
        }
        return status.toBuilder()
                .conditions(List.of())
                .source(null)
                .conversion(null)
                .lazyImage(null)
                .mode(null)
                .modeReason(null)
                .artifact(null)
                .platforms(List.of())
                .coldStart(null)
                .prefetch(null)
                .earlier(earlier(status))
                .build();
    }

    private LazyImageStatus after(Phase phase) {
        next.observedGeneration(image.getMetadata().getGeneration());
        next.progress(null);
        switch (phase) {
            case Phase.Suspended _ -> suspended();
            case Phase.Unresolved unresolved -> unresolved(unresolved.failure());
            case Phase.Queued(var source, var request) -> {
                resolved(source);
                underWay(request, Reason.QUEUED, Reason.QUEUED.sentence());
            }
            case Phase.Starting starting -> {
                resolved(starting.source());
                next.conversion(new Conversion(
                        JobShape.name(starting.request(), starting.attempt()),
                        starting.request().digest(),
                        starting.request().options(),
                        starting.attempt(),
                        time(now),
                        null,
                        null));
                underWay(starting.request(), Reason.CONVERTING, "The Job is being made.");
            }
            case Phase.Converting converting -> {
                resolved(converting.source());
                next.conversion(conversion(converting.request(), converting.attempt(), null, null));
                next.progress(converting.progress().orElse(null));
                underWay(converting.request(), Reason.CONVERTING, sentence(converting));
                if (before.lazyImage() == null
                        && converting
                                .progress()
                                .filter(progress -> progress.phase() == ConversionPhase.VERIFY)
                                .isPresent()) {
                    say(ConditionType.VERIFIED, UNKNOWN, Reason.VERIFYING);
                }
            }
            case Phase.Failed failed -> failed(failed);
            case Phase.Ready ready -> ready(ready);
        }
        measured();
        return next.conditions(Condition.merge(
                        keptConditions(), conditions, image.getMetadata().getGeneration(), now))
                .build();
    }

    private void suspended() {
        ready(Reason.SUSPENDED, Reason.SUSPENDED.sentence());
        degraded(Optional.empty());
    }

    private void unresolved(Failure failure) {
        say(ConditionType.RESOLVED, FALSE, failure.reason(), failure.message());
        ready(failure.reason(), failure.message());
        degraded(Optional.of(Condition.of(ConditionType.DEGRADED, TRUE, Reason.SOURCE_UNREACHABLE, failure.message())));
    }

    private void underWay(ConversionRequest request, Reason reason, String message) {
        var digest = request.digest();
        say(ConditionType.CONVERTED, FALSE, reason, message);
        ready(
                reason,
                before.lazyImage() == null
                        ? message
                        : "The lazy image that was published before is served while " + digest + " is converted.");
        if (before.lazyImage() == null) {
            say(ConditionType.VERIFIED, UNKNOWN, reason, message);
        }
        degraded(Optional.empty());
    }

    private void failed(Phase.Failed failed) {
        resolved(failed.source());
        var failure = failed.failure();
        failed.request()
                .flatMap(request -> failed.attempt()
                        .map(attempt -> conversion(
                                request, attempt, failed.ended(), failed.log().isEmpty() ? null : failed.log())))
                .ifPresent(next::conversion);
        var message = failed.log().isEmpty()
                ? failure.message()
                : failure.message() + " Last lines of the log:\n" + failed.log();
        say(ConditionType.CONVERTED, FALSE, failure.reason(), message);
        ready(failure.reason(), message);
        if (failure.reason() == Reason.VERIFICATION_FAILED) {
            say(ConditionType.VERIFIED, FALSE, Reason.VERIFICATION_FAILED, failure.message());
        } else if (before.lazyImage() == null) {
            say(ConditionType.VERIFIED, UNKNOWN, failure.reason(), failure.message());
        }
        degraded(Optional.of(Condition.of(ConditionType.DEGRADED, TRUE, Reason.CONVERSION_FAILING, failure.message())));
    }

    private void ready(Phase.Ready ready) {
        resolved(ready.source());
        ready.news().ifPresent(news -> published(ready.request(), news));
        say(ConditionType.CONVERTED, TRUE, Reason.CONVERTED);
        say(ConditionType.READY, TRUE, Reason.SERVING);
        degraded(Optional.empty());
    }

    private void published(ConversionRequest request, Phase.News news) {
        var result = news.result();
        if (before.lazyImage() != null && !before.lazyImage().equals(result.lazyImage())) {
            next.earlier(earlier(before));
        }
        next.lazyImage(result.lazyImage());
        next.mode(result.mode());
        next.modeReason(result.modeReason().isEmpty() ? null : result.modeReason());
        next.platforms(result.platforms());
        next.artifact(Artifact.of(result.platforms(), result.took(), result.throughput()));
        next.conversion(conversion(request, news.attempt(), news.ended(), null));
        if (result.verified()) {
            say(ConditionType.VERIFIED, TRUE, Reason.VERIFIED);
        } else {
            say(ConditionType.VERIFIED, UNKNOWN, Reason.VERIFICATION_OFF);
        }
    }

    private void resolved(SourceImage source) {
        var digest = source.digest().toString();
        var known = before.source();
        boolean recent = known != null
                && known.digest().equals(digest)
                && known.resolvedAt() != null
                && Instant.parse(known.resolvedAt()).plus(LOOK_MEMORY).isAfter(now);
        next.source(recent ? known : new Source(digest, source.mediaType(), time(now)));
        boolean pinned = image.getSpec().resolve().policy() == ResolvePolicy.PIN;
        say(
                ConditionType.RESOLVED,
                TRUE,
                pinned ? Reason.PINNED : Reason.RESOLVED,
                References.nameOf(image) + " is " + digest + ".");
    }

    /** Ready is true as long as something is published, whatever else happens. */
    private void ready(Reason reason, String message) {
        say(ConditionType.READY, before.lazyImage() == null ? FALSE : TRUE, reason, message);
    }

    private void degraded(Optional<Condition> worst) {
        var totals = nodes.totals();
        int failing = totals == null ? 0 : totals.failed();
        conditions.add(worst.orElseGet(() -> failing == 0
                ? Condition.of(ConditionType.DEGRADED, FALSE, Reason.AS_EXPECTED)
                : Condition.of(
                        ConditionType.DEGRADED,
                        TRUE,
                        Reason.NODES_FAILING,
                        "The image cannot be served on " + failing + (failing == 1 ? " node" : " nodes")
                                + ": see status.nodes.")));
    }

    private void measured() {
        next.nodes(nodes.rows());
        next.nodeTotals(nodes.totals());
        var figures = nodes.coldStart();
        next.coldStart(figures);
        next.prefetch(nodes.prefetch());
        var slo = image.getSpec().slo();
        if (slo != null) {
            conditions.add(objective(slo, figures));
        }
        WarmCondition.of(image, nodes.warmth(), before).ifPresent(conditions::add);
    }

    private static Condition objective(LazyImageSpec.Slo slo, @Nullable ColdStart figures) {
        if (figures == null || figures.entrypoint() == null) {
            return Condition.of(ConditionType.SLO_MET, UNKNOWN, Reason.NO_SAMPLES);
        }
        var missed = Stream.of(
                        missed("entrypoint", figures.entrypoint(), slo.entrypointLimit()),
                        missed("ready", figures.ready(), slo.readyLimit()))
                .flatMap(Optional::stream)
                .toList();
        return missed.isEmpty()
                ? Condition.of(ConditionType.SLO_MET, TRUE, Reason.WITHIN_OBJECTIVE)
                : Condition.of(ConditionType.SLO_MET, FALSE, Reason.ABOVE_OBJECTIVE, String.join(" ", missed));
    }

    private static Optional<String> missed(String name, @Nullable Latency latency, Optional<Duration> limit) {
        if (latency == null || latency.p95() == null || limit.isEmpty()) {
            return Optional.empty();
        }
        var p95 = Durations.parse(latency.p95());
        return p95.compareTo(limit.get()) <= 0
                ? Optional.empty()
                : Optional.of("The 95th percentile of " + name + " is " + latency.p95() + ", the objective is "
                        + Durations.print(limit.get()) + ".");
    }

    /** Conditions that nothing asks for any more are dropped. */
    private List<Condition> keptConditions() {
        var spec = image.getSpec();
        return before.conditions().stream()
                .filter(condition -> condition.type() != ConditionType.SLO_MET || spec.slo() != null)
                .filter(condition -> condition.type() != ConditionType.WARM || spec.warmup() != null)
                .toList();
    }

    private Conversion conversion(
            ConversionRequest request, Attempt attempt, @Nullable Instant ended, @Nullable String log) {
        return new Conversion(
                attempt.job(),
                request.digest(),
                request.options(),
                attempt.number(),
                time(attempt.started()),
                ended == null ? null : time(ended),
                log);
    }

    private static String sentence(Phase.Converting converting) {
        return "Job " + converting.attempt().job() + " converts "
                + converting.request().digest() + "."
                + converting.waiting().map(why -> " Its pod waits: " + why).orElse("");
    }

    private static List<Earlier> earlier(LazyImageStatus status) {
        if (status.lazyImage() == null) {
            return status.earlier();
        }
        var source = status.platforms().stream()
                .map(LazyImageStatus.PlatformImage::sourceDigest)
                .findFirst()
                .orElse("");
        var last = new Earlier(status.lazyImage(), source, status.platforms());
        return Stream.concat(
                        Stream.of(last),
                        status.earlier().stream()
                                .filter(older -> !older.lazyImage().equals(last.lazyImage())))
                .limit(LazyImageStatus.MAX_EARLIER)
                .toList();
    }

    private void say(ConditionType type, ConditionStatus status, Reason reason) {
        say(type, status, reason, reason.sentence());
    }

    private void say(ConditionType type, ConditionStatus status, Reason reason, String message) {
        conditions.removeIf(condition -> condition.type() == type);
        conditions.add(Condition.of(type, status, reason, message));
    }

    private static String time(Instant time) {
        return time.truncatedTo(ChronoUnit.SECONDS).toString();
    }
}
