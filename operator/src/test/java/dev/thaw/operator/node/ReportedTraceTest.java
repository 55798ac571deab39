package dev.thaw.operator.node;

import static dev.thaw.operator.node.SampleTraces.BEGUN;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.node.v1.ReportTraceRequest;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ReportedTraceTest {
    @Test
    void endsTenSecondsAfterThePodIsReady() {
        var report =
                SampleTraces.report("c", IntStream.rangeClosed(1, 60).toArray()); // chunk n is read after n seconds
        var kept = ReportedTrace.kept(report, Optional.of(BEGUN.plusSeconds(20)));
        assertThat(kept.getTrace().getChunks().getChunkList()).hasSize(30).endsWith(29, 30);
        assertThat(ReportedTrace.isSound(kept)).isTrue();
    }

    @Test
    void isWholeWhileThePodIsNotReady() {
        var report = SampleTraces.report("c", 1, 2, 3);
        assertThat(ReportedTrace.kept(report, Optional.empty())).isEqualTo(report);
    }

    @Test
    void isWholeWhenThePodWasReadyBeforeTheImageWasClaimed() {
        var report = SampleTraces.report("c", 1, 2, 3);
        assertThat(ReportedTrace.kept(report, Optional.of(BEGUN.minusSeconds(60))))
                .isEqualTo(report);
    }

    @Test
    void namesNoPod() {
        var report = SampleTraces.report("c", 1).toBuilder()
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
}
