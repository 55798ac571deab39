package dev.thaw.agent.fetch;

import static dev.thaw.agent.cache.FakeLayout.CHUNK_BYTES;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.agent.fetch.ReadPattern.Ahead;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ReadPatternTest {
    private static final int CHUNKS = 2000;
    /** As much as the smallest window holds. */
    private static final int FIRST_WINDOW = (256 << 10) / CHUNK_BYTES;

    private static final long WIDEST_BYTES = 1 << 20;

    private final FakeBlob blob = new FakeBlob(CHUNKS, 1);
    private final ReadPattern pattern = new ReadPattern(WIDEST_BYTES);

    private Ahead read(int chunk) {
        return pattern.observe(blob, chunk, chunk);
    }

    @Test
    void theFirstReadOfAFileIsNoReasonToFetchAhead() {
        assertThat(read(10).isEmpty()).isTrue();
        assertThat(read(500).isEmpty()).isTrue();
    }

    @Test
    void aSequentialReadersWindowGrowsToItsLimit() {
        read(10);
        assertThat(read(11)).isEqualTo(new Ahead(12, 11 + FIRST_WINDOW));

        int fetched = 11 + FIRST_WINDOW;
        for (int chunk = 12; chunk < 1000; chunk++) {
            var ahead = read(chunk);
            if (!ahead.isEmpty()) {
                assertThat(ahead.from()).isEqualTo(fetched + 1);
                fetched = ahead.to();
            }
        }
        assertThat((long) (fetched - 999) * CHUNK_BYTES).isBetween(WIDEST_BYTES / 2, WIDEST_BYTES);
    }

    @Test
    void aWideWindowIsAskedForInStepsSoThatMostOfItIsAlwaysOnItsWay() {
        long widest = 8 << 20;
        long step = 2 << 20;
        int chunks = (int) (4 * widest / CHUNK_BYTES);
        var blob = new FakeBlob(chunks, 1);
        var pattern = new ReadPattern(widest);
        int fetched = 0;
        for (int chunk = 0; chunk < chunks / 2; chunk++) {
            var ahead = pattern.observe(blob, chunk, chunk);
            if (!ahead.isEmpty()) {
                fetched = ahead.to();
            }
            if (chunk >= chunks / 4) {
                assertThat((long) (fetched - chunk) * CHUNK_BYTES).isBetween(widest - step, widest);
                if (!ahead.isEmpty()) {
                    assertThat((long) (ahead.to() - ahead.from() + 1) * CHUNK_BYTES)
                            .isBetween(step, step + CHUNK_BYTES);
                }
            }
        }
    }

    @Test
    void theWindowEndsWithTheFile() {
        blob.files.add(300);
        int fetched = -1;
        for (int chunk = 0; chunk < 300; chunk++) {
            fetched = Math.max(fetched, read(chunk).to());
        }
        assertThat(fetched).isEqualTo(299);
    }

    @Test
    void whoGoesOnWithTheNextFileGetsMoreAtEachOfThem() {
        IntStream.range(1, CHUNKS).forEach(blob.files::add);
        read(0);

        assertThat(read(1)).isEqualTo(new Ahead(2, 1 + (64 << 10) / CHUNK_BYTES));
        int fetched = 0;
        for (int chunk = 2; chunk < 100; chunk++) {
            fetched = Math.max(fetched, read(chunk).to());
        }
        assertThat((long) (fetched - 99) * CHUNK_BYTES).isBetween(WIDEST_BYTES / 2, WIDEST_BYTES);
    }

    @Test
    void nothingIsAskedForBehindTheLastChunk() {
        read(CHUNKS - 3);

        assertThat(read(CHUNKS - 2)).isEqualTo(new Ahead(CHUNKS - 1, CHUNKS - 1));
        assertThat(read(CHUNKS - 1).isEmpty()).isTrue();
    }

    @Test
    void severalReadersAreToldApart() {
        read(100);
        read(900);

        assertThat(read(101).from()).isEqualTo(102);
        assertThat(read(901).from()).isEqualTo(902);
    }
}
