package dev.thaw.operator.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.node.v1.Chunks;
import dev.thaw.node.v1.Trace;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class MergedTraceTest {
    @Test
    void ofOneStartIsThatStart() {
        var merged = MergedTrace.of(List.of(SampleTraces.of(5, 2, 9)));
        assertThat(merged.chunks().getChunkList()).containsExactly(5, 2, 9);
        assertThat(merged.storedBytes()).isEqualTo(3000);
    }

    @Test
    void leavesOutWhatFewerThanHalfOfTheStartsRead() {
        var merged = MergedTrace.of(List.of(
                SampleTraces.of(1, 2, 3), SampleTraces.of(1, 2, 3), SampleTraces.of(1, 77, 2, 3), SampleTraces.of(8)));
        assertThat(merged.chunks().getChunkList()).containsExactly(1, 2, 3);
    }

    @Test
    void keepsWhatHalfOfTheStartsRead() {
        var merged = MergedTrace.of(List.of(SampleTraces.of(1, 2), SampleTraces.of(1, 3)));
        assertThat(merged.chunks().getChunkList()).containsExactly(1, 2, 3);
    }

    @Test
    void putsAChunkAtTheMedianOfItsPlaces() {
        // 4 comes first twice and last once; 6 comes last twice.
        var merged =
                MergedTrace.of(List.of(SampleTraces.of(4, 5, 6), SampleTraces.of(4, 5, 6), SampleTraces.of(6, 5, 4)));
        assertThat(merged.chunks().getChunkList()).containsExactly(4, 5, 6);
    }

    @Test
    void tellsTheChunksOfOneBlobFromThoseOfAnother() {
        var two = Trace.newBuilder()
                .setChunks(Chunks.newBuilder().addAllBlob(List.of(1, 0)).addAllChunk(List.of(7, 7)))
                .addAllAfterMillis(List.of(1, 1))
                .addAllStoredBytes(List.of(10, 20))
                .build();
        var merged = MergedTrace.of(List.of(two));
        assertThat(merged.chunks().getBlobList()).containsExactly(1, 0);
        assertThat(merged.chunks().getChunkList()).containsExactly(7, 7);
    }

    @Test
    void isNeverLongerThanOneStartMayBe() {
        var all = IntStream.range(0, MergedTrace.MOST_CHUNKS).toArray();
        var others = IntStream.range(MergedTrace.MOST_CHUNKS, 2 * MergedTrace.MOST_CHUNKS)
                .toArray();
        var merged = MergedTrace.of(List.of(SampleTraces.of(all), SampleTraces.of(others)));
        assertThat(merged.chunks().getChunkCount()).isEqualTo(MergedTrace.MOST_CHUNKS);
        assertThat(merged.chunks().getBlobCount()).isEqualTo(MergedTrace.MOST_CHUNKS);
    }

    @Test
    void doesNotDependOnTheOrderOfTheStarts() {
        var starts =
                new ArrayList<>(List.of(SampleTraces.of(3, 1, 2), SampleTraces.of(1, 3), SampleTraces.of(2, 1, 3, 9)));
        var merged = MergedTrace.of(starts);
        java.util.Collections.reverse(starts);
        assertThat(MergedTrace.of(starts)).isEqualTo(merged);
    }
}
