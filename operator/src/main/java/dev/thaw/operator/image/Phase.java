package dev.thaw.operator.image;

import dev.thaw.crds.LazyImageStatus.Progress;
import dev.thaw.crds.Reason;
import dev.thaw.crds.Verification;
import dev.thaw.operator.conversion.Attempt;
import dev.thaw.operator.conversion.ConversionRequest;
import dev.thaw.operator.conversion.ConversionResult;
import dev.thaw.operator.conversion.Failure;
import dev.thaw.operator.image.Observation.Tried;
import dev.thaw.operator.registry.SourceImage;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * How far a LazyImage is, and what is to be done next.
 *
 * <pre>
 *  Unresolved ─▶ Queued ─▶ Starting ─▶ Converting ─▶ Ready
 *      ▲           ▲          ▲            │           │ new digest, new options
 *      │           └──────────┼────────────┼───────────┘
 *   source cannot             │            ▼
 *   be looked up              └───────── Failed   retried after a pause where the reason may pass by itself,
 *                                                 else when spec, Secrets or digest change
 * </pre>
 *
 * Whatever the phase, what was published before goes on being served.
 */
sealed interface Phase {
    /** While a Job runs, its log is read that often. */
    Duration PROGRESS = Duration.ofSeconds(10);

    /** While something waits for a person, its Secrets are looked at that often: they are not watched. */
    Duration SECRETS = Duration.ofSeconds(30);

    /** A Job that was just made will tell by itself when it changes; this is for an event that got lost. */
    Duration STARTED = Duration.ofSeconds(5);

    /** When to look again after a result was written down. */
    Duration WRITTEN = Duration.ofSeconds(1);

    /** How long a conversion waits before it looks for room again. */
    Duration ROOM = Duration.ofSeconds(15);

    /** When to look again; empty for when something changes. */
    Optional<Duration> again();

    /** Nothing is looked up or converted. */
    record Suspended() implements Phase {
        @Override
        public Optional<Duration> again() {
            return Optional.empty();
        }
    }

    /** The source cannot be looked up. */
    record Unresolved(Failure failure, Optional<Duration> again) implements Phase {}

    /** As many conversions run as may. */
    record Queued(SourceImage source, ConversionRequest request) implements Phase {
        @Override
        public Optional<Duration> again() {
            return Optional.of(ROOM);
        }
    }

    /** The Job of that try is to be made. */
    record Starting(SourceImage source, ConversionRequest request, int attempt, String mark) implements Phase {
        @Override
        public Optional<Duration> again() {
            return Optional.of(STARTED);
        }
    }

    /** A Job converts. */
    record Converting(
            SourceImage source,
            ConversionRequest request,
            Attempt attempt,
            Optional<String> waiting,
            Optional<Progress> progress)
            implements Phase {
        @Override
        public Optional<Duration> again() {
            return Optional.of(PROGRESS);
        }
    }

    /** It could not be converted. */
    record Failed(
            SourceImage source,
            Optional<ConversionRequest> request,
            Optional<Attempt> attempt,
            Failure failure,
            Instant ended,
            String log,
            Optional<Duration> again)
            implements Phase {}

    /**
     * It is published.
     *
     * @param news the Job's result, unless the status holds it already
     * @param look when the source is to be looked at again
     */
    record Ready(SourceImage source, ConversionRequest request, Optional<News> news, Optional<Duration> look)
            implements Phase {
        /** Soon after a result was written down: the Job is then to be put away. */
        @Override
        public Optional<Duration> again() {
            return news.isPresent() ? Optional.of(WRITTEN) : look;
        }
    }

    /** A result that the status does not hold yet. */
    record News(Attempt attempt, ConversionResult.Published result, Instant ended) {}

    /** The whole state machine. */
    static Phase after(Observation seen) {
        return switch (seen) {
            case Observation.Suspended _ -> new Suspended();
            case Observation.Unresolved unresolved ->
                new Unresolved(unresolved.failure(), soonest(unresolved.again(), SECRETS));
            case Observation.Unconvertible no ->
                new Failed(
                        no.source(), Optional.empty(), Optional.empty(), no.failure(), Instant.EPOCH, "", no.again());
            case Observation.Resolved resolved
            when resolved.published() ->
                new Ready(resolved.source(), resolved.request(), Optional.empty(), resolved.again());
            case Observation.Resolved resolved ->
                resolved.tried().map(tried -> afterTry(resolved, tried)).orElseGet(() -> next(resolved, 1));
        };
    }

    private static Phase afterTry(Observation.Resolved seen, Tried tried) {
        var attempt = tried.attempt();
        return switch (attempt.state()) {
            case Attempt.Running running ->
                new Converting(seen.source(), seen.request(), attempt, running.waiting(), tried.progress());
            case Attempt.Succeeded(var result, var ended)
            when isTrusted(result, seen.request()) ->
                new Ready(seen.source(), seen.request(), Optional.of(new News(attempt, result, ended)), seen.again());
            case Attempt.Succeeded unproven ->
                failed(
                        seen,
                        tried,
                        Failure.lasting(
                                Reason.VERIFICATION_FAILED, "The converter did not compare the published tree."),
                        unproven.ended());
            case Attempt.Failed failed -> failed(seen, tried, failed.failure(), failed.ended());
        };
    }

    private static boolean isTrusted(ConversionResult.Published result, ConversionRequest request) {
        return result.verified() || request.verification() == Verification.OFF;
    }

    private static Phase failed(Observation.Resolved seen, Tried tried, Failure failure, Instant ended) {
        var attempt = tried.attempt();
        boolean changed = !attempt.mark().equals(seen.mark());
        var due = ended.plus(Retries.pause(attempt.number(), seen.tries()));
        if (changed || (failure.retryable() && !seen.now().isBefore(due))) {
            return next(seen, attempt.number() + 1);
        }
        var pause = failure.retryable() ? Optional.of(Duration.between(seen.now(), due)) : seen.again();
        return new Failed(
                seen.source(),
                Optional.of(seen.request()),
                Optional.of(attempt),
                failure,
                ended,
                tried.log(),
                soonest(pause, SECRETS));
    }

    private static Phase next(Observation.Resolved seen, int attempt) {
        return seen.room()
                ? new Starting(seen.source(), seen.request(), attempt, seen.mark())
                : new Queued(seen.source(), seen.request());
    }

    private static Optional<Duration> soonest(Optional<Duration> time, Duration limit) {
        return Optional.of(time.filter(other -> other.compareTo(limit) < 0).orElse(limit));
    }
}
