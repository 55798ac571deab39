package dev.thaw.operator.conversion;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.ConversionPhase;
import dev.thaw.crds.LazyImageStatus.Progress;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ConversionLogTest {
    @Test
    void findsTheNewestProgress() {
        var log = ConversionLog.of("""
                starting
                {"progress":{"phase":"convert","bytesDone":10,"bytesTotal":200}}
                {"progress":{"phase":"convert","bytesDone":50,"bytesTotal":200}}
                layer 3 reused
                {"progress":{"phase":"conv""");
        assertThat(log.progress()).contains(Progress.of(ConversionPhase.CONVERT, 50, 200));
        assertThat(log.tail()).isEqualTo("starting\nlayer 3 reused");
    }

    @Test
    void knowsNoProgressInALogWithoutAny() {
        assertThat(ConversionLog.of("").progress()).isEmpty();
        assertThat(ConversionLog.of("{\"progress\":{\"phase\":\"dance\"}}").progress())
                .isEmpty();
        assertThat(ConversionLog.of("").tail()).isEmpty();
    }

    @Test
    void showsOnlyTheLastLinesAndCutsLongOnes() {
        var text = IntStream.range(0, 50).mapToObj(i -> "line " + i).collect(Collectors.joining("\n"));
        assertThat(ConversionLog.of(text).tail().lines())
                .hasSize(ConversionLog.SHOWN_LINES)
                .last()
                .isEqualTo("line 49");
        assertThat(ConversionLog.of("x".repeat(10_000)).tail()).hasSizeLessThan(400);
    }
}
