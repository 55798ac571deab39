package dev.thaw.operator.image;

import dev.thaw.crds.LazyImageStatus.Progress;
import dev.thaw.operator.conversion.Attempt;
import dev.thaw.operator.conversion.ConversionRequest;
import dev.thaw.operator.conversion.Failure;
import dev.thaw.operator.registry.SourceImage;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/** What was seen of a LazyImage, of its source and of its conversion. */
sealed interface Observation {
    /** Nothing is to be done, so nothing was looked at. */
    record Suspended() implements Observation {}

    /** The source is not known. */
    record Unresolved(Failure failure, Optional<Duration> again) implements Observation {}

    /** The source is known, but what is wanted of it cannot be. */
    record Unconvertible(SourceImage source, Failure failure, Optional<Duration> again) implements Observation {}

    /**
     * The source is known, and what is to be made of it.
     *
     * @param published the status speaks of this very request as published
     * @param tried the newest try, if there is a Job
     * @param mark what the next try would be made with
     * @param tries how often a failure is to be tried again
     * @param room another conversion may run now
     * @param again when the source will be looked at again
     * @param now when this was seen
     */
    record Resolved(
            SourceImage source,
            ConversionRequest request,
            boolean published,
            Optional<Tried> tried,
            String mark,
            int tries,
            boolean room,
            Optional<Duration> again,
            Instant now)
            implements Observation {}

    /**
     * A try, and what its log says.
     *
     * @param progress the newest, while it runs
     * @param log last lines, when it has failed
     */
    record Tried(Attempt attempt, Optional<Progress> progress, String log) {}
}
