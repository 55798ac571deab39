package dev.thaw.operator.conversion;

import dev.thaw.crds.Reason;
import io.fabric8.kubernetes.api.model.ContainerStateTerminated;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobCondition;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One try of a conversion, as Job and pod show it.
 *
 * @param job name of the Job
 * @param number of the try, from 1
 * @param mark what it was made with, see {@link JobShape#mark(long, String)}
 * @param started when the Job was made
 */
public record Attempt(String job, int number, String mark, Instant started, State state) {
    /** How far a try is. */
    public sealed interface State {}

    /**
     * It runs, or will.
     *
     * @param pod name of its pod, once there is one
     * @param waiting why the pod does not run yet; empty when it runs
     */
    public record Running(Optional<String> pod, Optional<String> waiting) implements State {}

    /** A lazy image is published. */
    public record Succeeded(ConversionResult.Published result, Instant ended) implements State {}

    /**
     * It ended otherwise.
     *
     * @param pod whose log tells more, if it is still there
     */
    public record Failed(Failure failure, Optional<String> pod, Instant ended) implements State {}

    /** Reads a Job and its pods, of which there may be several when some were evicted. */
    public static Attempt of(Job job, List<Pod> pods) {
        var started = time(job.getMetadata().getCreationTimestamp(), Instant.EPOCH);
        return new Attempt(
                job.getMetadata().getName(),
                JobShape.attempt(job),
                JobShape.mark(job),
                started,
                state(job, pods, started));
    }

    private static State state(Job job, List<Pod> pods, Instant started) {
        var newest = pods.stream()
                .max(Comparator.comparing(pod -> time(pod.getMetadata().getCreationTimestamp(), Instant.EPOCH)));
        var name = newest.map(pod -> pod.getMetadata().getName());
        var failed = condition(job, "Failed");
        if (failed.isPresent()) {
            var ended = time(failed.get().getLastTransitionTime(), started);
            // A converter that is told to end says just that; what for is said by who told it.
            var own = isToldToEnd(failed.get(), newest) ? Optional.<Failure>empty() : newest.flatMap(Attempt::refusal);
            return new Failed(own.orElseGet(() -> failure(failed.get(), newest)), name, ended);
        }
        var complete = condition(job, "Complete");
        if (complete.isPresent()) {
            var ended = time(complete.get().getLastTransitionTime(), started);
            return pods.stream()
                    .flatMap(pod -> result(pod).stream())
                    .flatMap(result -> result instanceof ConversionResult.Published published
                            ? Stream.of(published)
                            : Stream.empty())
                    .findFirst()
                    .<State>map(published -> new Succeeded(published, ended))
                    .orElseGet(() -> new Failed(
                            Failure.passing(
                                    Reason.INTERNAL,
                                    "Job " + job.getMetadata().getName()
                                            + " is complete, but its pod left no readable result; it is run again."),
                            name,
                            ended));
        }
        return new Running(name, newest.flatMap(Attempt::waiting));
    }

    private static boolean isToldToEnd(JobCondition condition, Optional<Pod> pod) {
        return "DeadlineExceeded".equals(condition.getReason())
                || pod.flatMap(Attempt::eviction).isPresent();
    }

    private static Optional<String> eviction(Pod pod) {
        var status = pod.getStatus();
        return status != null && "Evicted".equals(status.getReason())
                ? Optional.of(orEmpty(status.getMessage()))
                : Optional.empty();
    }

    /** What the converter itself said, unless it was killed before it could. */
    private static Optional<Failure> refusal(Pod pod) {
        return result(pod)
                .flatMap(result -> result instanceof ConversionResult.Refused(var failure)
                        ? Optional.of(failure)
                        : Optional.empty());
    }

    private static Failure failure(JobCondition condition, Optional<Pod> pod) {
        if ("DeadlineExceeded".equals(condition.getReason())) {
            // Finished layers are kept in the registry, so the next try has less to do.
            return Failure.passing(Reason.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED.sentence());
        }
        var ended = pod.flatMap(Attempt::terminated);
        if (ended.isPresent() && "OOMKilled".equals(ended.get().getReason())) {
            return Failure.lasting(Reason.OUT_OF_MEMORY, Reason.OUT_OF_MEMORY.sentence());
        }
        var evicted = pod.flatMap(Attempt::eviction);
        if (evicted.isPresent()) {
            return Failure.lasting(
                    Reason.DISK_FULL,
                    "The converter's pod was evicted: " + evicted.get()
                            + " Raise spec.converter.resources.limits.ephemeral-storage.");
        }
        return Failure.passing(
                Reason.INTERNAL,
                ended.map(state -> "The converter ended with exit code " + state.getExitCode() + " and left no result.")
                        .orElseGet(() -> "The Job failed: " + orEmpty(condition.getReason()) + " "
                                + orEmpty(condition.getMessage())));
    }

    private static Optional<ConversionResult> result(Pod pod) {
        return terminated(pod).flatMap(state -> ConversionResult.parse(orEmpty(state.getMessage())));
    }

    private static Optional<ContainerStateTerminated> terminated(Pod pod) {
        return container(pod).map(status -> status.getState()).map(state -> state.getTerminated());
    }

    private static Optional<String> waiting(Pod pod) {
        var inContainer = container(pod)
                .map(status -> status.getState())
                .map(state -> state.getWaiting())
                .map(state -> sentence(state.getReason(), state.getMessage()));
        return inContainer.isPresent() ? inContainer : unschedulable(pod);
    }

    private static Optional<String> unschedulable(Pod pod) {
        var status = pod.getStatus();
        return status == null || status.getConditions() == null
                ? Optional.empty()
                : status.getConditions().stream()
                        .filter(condition ->
                                "PodScheduled".equals(condition.getType()) && "False".equals(condition.getStatus()))
                        .map(condition -> sentence(condition.getReason(), condition.getMessage()))
                        .findFirst();
    }

    private static Optional<ContainerStatus> container(Pod pod) {
        var status = pod.getStatus();
        return status == null || status.getContainerStatuses() == null
                ? Optional.empty()
                : status.getContainerStatuses().stream()
                        .filter(container -> JobShape.CONTAINER.equals(container.getName()))
                        .findFirst();
    }

    private static Optional<JobCondition> condition(Job job, String type) {
        var status = job.getStatus();
        return status == null || status.getConditions() == null
                ? Optional.empty()
                : status.getConditions().stream()
                        .filter(condition -> type.equals(condition.getType()) && "True".equals(condition.getStatus()))
                        .findFirst();
    }

    private static String sentence(@Nullable String reason, @Nullable String message) {
        return message == null || message.isBlank() ? orEmpty(reason) : orEmpty(reason) + ": " + message;
    }

    private static String orEmpty(@Nullable String text) {
        return text == null ? "" : text;
    }

    private static Instant time(@Nullable String text, Instant otherwise) {
        return text == null ? otherwise : Instant.parse(text);
    }
}
