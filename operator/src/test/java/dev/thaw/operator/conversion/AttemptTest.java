package dev.thaw.operator.conversion;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Reason;
import io.fabric8.kubernetes.api.model.ContainerState;
import io.fabric8.kubernetes.api.model.ContainerStateBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class AttemptTest {
    private static final String PUBLISHED = """
            {"source":{"reference":"r/a:1","digest":"sha256:aa"},
             "lazyImage":{"reference":"r/a@sha256:bb","digest":"sha256:bb","tag":"1-thaw"},"mode":"Convert","modeReason":"default",
             "platforms":[{"platform":"linux/amd64","lazyDigest":"sha256:cc","artifactDigest":"sha256:dd","sourceDigest":"sha256:ee",
              "layers":2,"files":3,"chunks":4,"sourceBytes":5,"contentBytes":6,"blobBytes":7,"bootstrapBytes":8,"duplicateBytes":9,"reusedLayers":1}],
             "bytesRead":10,"bytesPushed":11,"durationSeconds":1.5,"throughputBytesPerSecond":4000000000,"verified":true,"verifiedEntries":3}
            """;

    @Test
    void readsTheResultFromTheTerminationMessage() {
        var attempt = Attempt.of(job("Complete", null), List.of(ended(0, PUBLISHED, null)));
        assertThat(attempt.number()).isEqualTo(2);
        assertThat(attempt.state()).isInstanceOfSatisfying(Attempt.Succeeded.class, succeeded -> {
            assertThat(succeeded.result().lazyImage()).isEqualTo("r/a@sha256:bb");
            assertThat(succeeded.result().throughput()).isEqualTo(4_000_000_000L);
            assertThat(succeeded.result().verified()).isTrue();
            assertThat(succeeded.result().platforms().getFirst().artifactDigest())
                    .isEqualTo("sha256:dd");
            assertThat(succeeded.result().platforms().getFirst().reusedLayers()).isEqualTo(1);
        });
    }

    @Test
    void runsACompleteJobAgainWhoseResultCannotBeRead() {
        for (var message : List.of("", "{\"source\":{\"refer", "done", "[]", "{}")) {
            var attempt = Attempt.of(job("Complete", null), List.of(ended(0, message, null)));
            assertThat(failure(attempt).retryable()).as(message).isTrue();
        }
        assertThat(failure(Attempt.of(job("Complete", null), List.of())).retryable())
                .isTrue();
    }

    @Test
    void takesTheConvertersWordForItsFailure() {
        var message = "{\"error\":{\"reason\":\"CorruptLayer\",\"message\":\"layer 3\",\"retryable\":false}}";
        assertThat(failure(Attempt.of(job("Failed", "BackoffLimitExceeded"), List.of(ended(1, message, null)))))
                .isEqualTo(Failure.lasting(Reason.CORRUPT_LAYER, "layer 3"));
    }

    @Test
    void keepsAReasonThatItDoesNotKnowInTheMessage() {
        var message = "{\"error\":{\"reason\":\"MoonPhase\",\"message\":\"full\",\"retryable\":true}}";
        assertThat(failure(Attempt.of(job("Failed", "BackoffLimitExceeded"), List.of(ended(1, message, null)))))
                .isEqualTo(Failure.passing(Reason.INTERNAL, "MoonPhase: full"));
    }

    @Test
    void seesThatTheConverterWasKilledForWantOfMemory() {
        var failure = failure(Attempt.of(job("Failed", "BackoffLimitExceeded"), List.of(ended(137, "", "OOMKilled"))));
        assertThat(failure.reason()).isEqualTo(Reason.OUT_OF_MEMORY);
        assertThat(failure.retryable()).isFalse();
    }

    @Test
    void seesThatTheDeadlineIsOver() {
        var failure = failure(Attempt.of(job("Failed", "DeadlineExceeded"), List.of()));
        assertThat(failure.reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
        assertThat(failure.retryable()).as("finished layers are kept").isTrue();
    }

    @Test
    void seesThatThePodWasEvictedForItsDiskUse() {
        var pod = new PodBuilder(pod(new ContainerStateBuilder().build()))
                .editStatus()
                .withReason("Evicted")
                .withMessage("Usage of EmptyDir volume \"work\" exceeds the limit \"10Gi\".")
                .endStatus()
                .build();
        var failure = failure(Attempt.of(job("Failed", "BackoffLimitExceeded"), List.of(pod)));
        assertThat(failure.reason()).isEqualTo(Reason.DISK_FULL);
        assertThat(failure.message()).contains("exceeds the limit").contains("ephemeral-storage");
    }

    @Test
    void asksWhoEndedAConverterThatWasToldToEnd() {
        var told = "{\"error\":{\"reason\":\"Internal\",\"message\":\"stopped by a signal\",\"retryable\":true}}";
        var evicted = new PodBuilder(ended(143, told, "Error"))
                .editStatus()
                .withReason("Evicted")
                .withMessage("the disk")
                .endStatus()
                .build();
        assertThat(failure(Attempt.of(job("Failed", "BackoffLimitExceeded"), List.of(evicted)))
                        .reason())
                .isEqualTo(Reason.DISK_FULL);
        assertThat(failure(Attempt.of(job("Failed", "DeadlineExceeded"), List.of(ended(143, told, "Error"))))
                        .reason())
                .isEqualTo(Reason.DEADLINE_EXCEEDED);
    }

    @Test
    void saysWhyThePodDoesNotRunYet() {
        var pulling = pod(new ContainerStateBuilder()
                .withNewWaiting()
                .withReason("ImagePullBackOff")
                .withMessage("no such image")
                .endWaiting()
                .build());
        assertThat(Attempt.of(job(null, null), List.of(pulling)).state())
                .isEqualTo(new Attempt.Running(Optional.of("pod"), Optional.of("ImagePullBackOff: no such image")));
        var unschedulable = new PodBuilder()
                .withNewMetadata()
                .withName("pod")
                .endMetadata()
                .withNewStatus()
                .addNewCondition()
                .withType("PodScheduled")
                .withStatus("False")
                .withReason("Unschedulable")
                .withMessage("0/3 nodes")
                .endCondition()
                .endStatus()
                .build();
        assertThat(Attempt.of(job(null, null), List.of(unschedulable)).state())
                .isEqualTo(new Attempt.Running(Optional.of("pod"), Optional.of("Unschedulable: 0/3 nodes")));
        assertThat(Attempt.of(job(null, null), List.of()).state())
                .isEqualTo(new Attempt.Running(Optional.empty(), Optional.empty()));
    }

    private static Failure failure(Attempt attempt) {
        assertThat(attempt.state()).isInstanceOf(Attempt.Failed.class);
        return ((Attempt.Failed) attempt.state()).failure();
    }

    private static Job job(String condition, String reason) {
        var job = new JobBuilder()
                .withNewMetadata()
                .withName("job-2")
                .withCreationTimestamp("2026-01-01T00:00:00Z")
                .addToAnnotations(JobShape.ATTEMPT, "2")
                .endMetadata();
        return condition == null
                ? job.build()
                : job.withNewStatus()
                        .addNewCondition()
                        .withType(condition)
                        .withStatus("True")
                        .withReason(reason)
                        .withLastTransitionTime("2026-01-01T00:01:00Z")
                        .endCondition()
                        .endStatus()
                        .build();
    }

    private static Pod ended(int exitCode, String message, String reason) {
        return pod(new ContainerStateBuilder()
                .withNewTerminated()
                .withExitCode(exitCode)
                .withReason(reason)
                .withMessage(message)
                .endTerminated()
                .build());
    }

    private static Pod pod(ContainerState state) {
        return new PodBuilder()
                .withNewMetadata()
                .withName("pod")
                .withCreationTimestamp("2026-01-01T00:00:01Z")
                .endMetadata()
                .withNewStatus()
                .addNewContainerStatus()
                .withName(JobShape.CONTAINER)
                .withState(state)
                .endContainerStatus()
                .endStatus()
                .build();
    }
}
