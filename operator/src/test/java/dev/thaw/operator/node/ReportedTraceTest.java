package dev.thaw.operator.node;

import static dev.thaw.operator.node.SampleTraces.BEGUN;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.node.v1.ReportTraceRequest;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ReportedTraceTest {
    @Test
    void endsWithTheStart() {
        var report =
                SampleTraces.report("c", IntStream.rangeClosed(1, 60).toArray()); // chunk n is read after n seconds
        var kept = ReportedTrace.kept(report, Optional.of(BEGUN.plusSeconds(30)));
        assertThat(kept.getTrace().getChunks().getChunkList()).hasSize(30).endsWith(29, 30);
        assertThat(ReportedTrace.isSound(kept)).isTrue();
    }

    @Test
    void takesThePodsReadinessForTheEndOfTheStart() {
        var report = SampleTraces.report("c", 1);
        assertThat(ReportedTrace.over(report, pod(true, 20))).contains(BEGUN.plusSeconds(21));
    }

    @Test
    void givesAPodThatNothingProbesTimeToRead() {
        var report = SampleTraces.report("c", 1);
        assertThat(ReportedTrace.over(report, pod(false, 2))).contains(BEGUN.plusSeconds(12));
    }

    @Test
    void hasNoEndWhileThePodIsNotReady() {
        var waiting =
                new WatchedPod("team", "web", "1", "node-1", Set.of(), false, true, Optional.empty(), Optional.empty());
        assertThat(ReportedTrace.over(SampleTraces.report("c", 1), waiting)).isEmpty();
    }

    @Test
    void hasNoEndWhenThePodWasReadyBeforeTheImageWasClaimed() {
        assertThat(ReportedTrace.over(SampleTraces.report("c", 1), pod(true, -60)))
                .isEmpty();
    }

    @Test
    void isCompleteWhenItWasTakenAfterTheStart() {
        var over = BEGUN.plusSeconds(21);
        assertThat(ReportedTrace.isComplete(SampleTraces.takenAfter(20, "c", 1), over))
                .isFalse();
        assertThat(ReportedTrace.isComplete(SampleTraces.takenAfter(21, "c", 1), over))
                .isTrue();
    }

    @Test
    void isWholeWhileTheStartGoesOn() {
        var report = SampleTraces.report("c", 1, 2, 3);
        assertThat(ReportedTrace.kept(report, Optional.empty())).isEqualTo(report);
    }

    @Test
    void namesNoPod() {
        var report = SampleTraces.takenAfter(3, "c", 1).toBuilder()
                .setPodNamespace("team")
                .setPodName("web")
                .setPodUid("1")
                .build();
        assertThat(ReportedTrace.kept(report, Optional.empty())).isEqualTo(SampleTraces.report("c", 1));
    }

    @Test
    void isNotSoundWhenItsListsDifferInLength() {
        var report = SampleTraces.report("c", 1, 2).toBuilder();
        report.getTraceBuilder().addStoredBytes(7);
        assertThat(ReportedTrace.isSound(report.build())).isFalse();
        assertThat(ReportedTrace.isSound(SampleTraces.report("c", 1, 2))).isTrue();
    }

    @Test
    void isNotSoundWhenItNamesAChunkTwice() {
        assertThat(ReportedTrace.isSound(SampleTraces.report("c", 1, 2, 1))).isFalse();
    }

    @Test
    void isNotSoundWhenItIsTooLong() {
        var all = IntStream.rangeClosed(0, MergedTrace.MOST_CHUNKS).toArray();
        assertThat(ReportedTrace.isSound(SampleTraces.report("c", all))).isFalse();
    }

    @Test
    void isSoundWhenItIsEmpty() {
        assertThat(ReportedTrace.isSound(ReportTraceRequest.getDefaultInstance()))
                .isTrue();
    }

    /** @param ready seconds after the image was claimed */
    private static WatchedPod pod(boolean probed, int ready) {
        return new WatchedPod(
                "team",
                "web",
                "1",
                "node-1",
                Set.of(),
                false,
                probed,
                Optional.empty(),
                Optional.of(BEGUN.plusSeconds(ready)));
    }
}
