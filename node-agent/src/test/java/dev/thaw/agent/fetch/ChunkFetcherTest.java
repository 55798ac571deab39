package dev.thaw.agent.fetch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.thaw.agent.AgentException.ReadFailed;
import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.cache.DiskChunkStore;
import dev.thaw.agent.cache.FakeLayout;
import dev.thaw.agent.fetch.FakeBlob.Request;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ChunkFetcherTest {
    private static final String ID = "ab".repeat(32);
    private static final int CHUNK = FakeLayout.CHUNK_BYTES;

    @TempDir
    Path directory;

    private final FakeTime time = new FakeTime();
    private final FakeBlob blob = new FakeBlob(64, 3);
    private final TrafficCount traffic = new TrafficCount();
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private final ExecutorService readers = Executors.newVirtualThreadPerTaskExecutor();
    private DiskChunkStore store;
    private ChunkFetcher fetcher;

    @AfterEach
    void close() throws Exception {
        blob.gate.release(1000);
        if (fetcher != null) {
            fetcher.close();
            store.close();
        }
        readers.shutdownNow();
        readers.close();
    }

    private LazyBlob open(OnFailure onFailure) throws Exception {
        return open(onFailure, 4, 8L * CHUNK, 1L << 30);
    }

    private LazyBlob open(OnFailure onFailure, int parallelism, long rangeBytes, long cacheBytes) throws Exception {
        return open(blob, onFailure, parallelism, rangeBytes, cacheBytes, Duration.ofHours(1));
    }

    /** A fetcher to which every request is a straggler after so long. */
    private LazyBlob openImpatiently(Duration patience) throws Exception {
        return open(blob, OnFailure.ERROR, 4, 8L * CHUNK, 1L << 30, patience);
    }

    private LazyBlob open(
            FakeBlob blob, OnFailure onFailure, int parallelism, long rangeBytes, long cacheBytes, Duration patience)
            throws Exception {
        return open(
                blob,
                new FetchSettings(
                        parallelism,
                        rangeBytes,
                        Duration.ofSeconds(30),
                        onFailure,
                        2,
                        OptionalLong.empty(),
                        Duration.ofSeconds(5),
                        patience,
                        patience,
                        0),
                cacheBytes);
    }

    private LazyBlob open(FakeBlob blob, FetchSettings settings, long cacheBytes) throws Exception {
        store = new DiskChunkStore(new CacheSettings(directory, cacheBytes, 0.9, 0.5), meters);
        fetcher = new ChunkFetcher(settings, store, meters, time);
        return fetcher.open(ID, blob.sizeBytes(), blob, blob, traffic);
    }

    private static byte[] read(LazyBlob blob, long offset, int length) throws Exception {
        try (var arena = Arena.ofShared()) {
            var target = arena.allocate(length);
            if (!blob.readCached(offset, length, target)) {
                blob.read(offset, length, target);
            }
            return target.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private byte[] readChunk(LazyBlob lazy, int chunk) throws Exception {
        return read(lazy, (long) chunk * CHUNK, 100);
    }

    private Future<byte[]> reading(Callable<byte[]> read) {
        return readers.submit(read);
    }

    @Test
    void oneRequestServesAllWhoWaitForTheSameChunk() throws Exception {
        var lazy = open(OnFailure.ERROR);
        blob.gate = new Semaphore(0);
        var waiting = new ArrayList<Future<byte[]>>();
        for (int i = 0; i < 20; i++) {
            waiting.add(reading(() -> readChunk(lazy, 9)));
        }
        await().until(() -> blob.requests.size() == 1);

        blob.gate.release();

        for (var reader : waiting) {
            assertThat(reader.get()).isEqualTo(blob.device(9L * CHUNK, 100));
        }
        assertThat(blob.requests).containsExactly(new Request(9, 9));
        assertThat(traffic.requests(FetchReason.DEMAND)).isEqualTo(1);
        assertThat(traffic.touchedBytes()).isEqualTo(20 * 100);
    }

    @Test
    void neighbouringChunksComeInOneRequest() throws Exception {
        var lazy = open(OnFailure.ERROR);

        assertThat(read(lazy, 10L * CHUNK + 5, 5 * CHUNK)).isEqualTo(blob.device(10L * CHUNK + 5, 5 * CHUNK));

        assertThat(blob.requests).containsExactly(new Request(10, 15));
    }

    @Test
    void oneRequestIsNeverLargerThanARange() throws Exception {
        var lazy = open(OnFailure.ERROR, 4, 3L * CHUNK, 1L << 30);

        assertThat(read(lazy, 0, 10 * CHUNK)).isEqualTo(blob.device(0, 10 * CHUNK));

        assertThat(blob.requests)
                .hasSizeGreaterThan(2)
                .allSatisfy(request -> assertThat(blob.storedOffset(request.lastChunk())
                                + blob.storedLength(request.lastChunk())
                                - blob.storedOffset(request.firstChunk()))
                        .isLessThanOrEqualTo(3L * CHUNK));
    }

    @Test
    void whatIsPresentIsNotFetchedAgain() throws Exception {
        var lazy = open(OnFailure.ERROR);
        readChunk(lazy, 12);
        blob.requests.clear();

        read(lazy, 10L * CHUNK, 5 * CHUNK);

        assertThat(blob.requests).containsExactlyInAnyOrder(new Request(10, 11), new Request(13, 14));
    }

    @Test
    void aSequentialReaderGetsAGrowingWindow() throws Exception {
        var lazy = open(OnFailure.ERROR);

        for (int chunk = 0; chunk < 40; chunk++) {
            assertThat(readChunk(lazy, chunk)).isEqualTo(blob.device((long) chunk * CHUNK, 100));
        }

        assertThat(blob.requests.size()).isLessThan(20);
        assertThat(blob.requests.getFirst()).isEqualTo(new Request(0, 0));
        assertThat(traffic.bytes(FetchReason.AHEAD)).isPositive();
    }

    @Test
    void smallChunksBringWhatLiesBehindThem() throws Exception {
        var lazy = open(blob, FetchSettings.DEFAULT, 1L << 30);

        readChunk(lazy, 20);
        readChunk(lazy, 21);
        assertThat(blob.requests).hasSize(1);
        var first = blob.requests.getFirst();
        assertThat(first.firstChunk()).isEqualTo(20);
        long stored = 0;
        for (int chunk = 20; chunk <= first.lastChunk(); chunk++) {
            stored += lazy.storedBytes(chunk);
        }
        assertThat(stored).isLessThanOrEqualTo(FetchSettings.DEFAULT.neighbourBytes());
        // the read does not wait for them
        long ahead = stored - lazy.storedBytes(20);
        await().untilAsserted(() -> assertThat(traffic.bytes(FetchReason.AHEAD)).isEqualTo(ahead));

        // up to what is there already
        readChunk(lazy, 17);
        assertThat(blob.requests.getLast().lastChunk()).isEqualTo(19);
    }

    @Test
    void aRandomReaderGetsNothingAhead() throws Exception {
        var lazy = open(OnFailure.ERROR);

        for (int chunk : new int[] {50, 3, 27, 9, 44, 15}) {
            readChunk(lazy, chunk);
        }

        assertThat(blob.requests)
                .hasSize(6)
                .allSatisfy(request -> assertThat(request.firstChunk()).isEqualTo(request.lastChunk()));
        assertThat(traffic.bytes(FetchReason.AHEAD)).isZero();
    }

    @Test
    void demandGoesBeforeWhatNobodyWaitsFor() throws Exception {
        var lazy = open(OnFailure.ERROR, 2, CHUNK, 1L << 30);
        blob.gate = new Semaphore(0);
        lazy.expect(0, 9, FetchReason.AHEAD);
        await().until(() -> blob.requests.size() == 1);

        var reader = reading(() -> readChunk(lazy, 40));

        await().until(() -> blob.requests.contains(new Request(40, 40)));
        assertThat(blob.requests).hasSize(2);
        blob.gate.release(1000);
        assertThat(reader.get()).isEqualTo(blob.device(40L * CHUNK, 100));
    }

    @Test
    void aReadPromotesAPrefetchThatStillWaits() throws Exception {
        var lazy = open(OnFailure.ERROR, 2, CHUNK, 1L << 30);
        blob.gate = new Semaphore(0);
        lazy.expect(0, 9, FetchReason.AHEAD);
        await().until(() -> blob.requests.size() == 1);

        var reader = reading(() -> readChunk(lazy, 7));

        await().until(() -> blob.requests.contains(new Request(7, 7)));
        assertThat(blob.requests).hasSize(2);
        blob.gate.release(1000);
        assertThat(reader.get()).isEqualTo(blob.device(7L * CHUNK, 100));
    }

    @Test
    void failuresAreRetriedWithGrowingPauses() throws Exception {
        var lazy = open(OnFailure.ERROR);
        blob.failures.set(4);

        assertThat(readChunk(lazy, 5)).isEqualTo(blob.device(5L * CHUNK, 100));

        assertThat(time.sleeps)
                .containsExactly(
                        Duration.ofMillis(100), Duration.ofMillis(200), Duration.ofMillis(400), Duration.ofMillis(800));
    }

    @Test
    void aLateRequestIsMadeASecondTimeOnAnotherWay() throws Exception {
        blob.silentWays.add(0);
        var lazy = openImpatiently(Duration.ofMillis(20));

        assertThat(read(lazy, 10L * CHUNK, 2 * CHUNK)).isEqualTo(blob.device(10L * CHUNK, 2 * CHUNK));

        assertThat(blob.requests).containsExactly(new Request(10, 11), new Request(10, 11));
        assertThat(blob.ways).containsExactly(0, 1);
        await().until(() -> doubled("second") == 1);
        assertThat(store.usedBytes()).isEqualTo(blob.footprint(10) + blob.footprint(11));
    }

    @Test
    void theFirstMayStillBeFirst() throws Exception {
        blob.silentWays.addAll(List.of(0, 1));
        var lazy = openImpatiently(Duration.ofMillis(20));
        var reader = reading(() -> readChunk(lazy, 5));
        await().until(() -> blob.requests.size() == 2);

        blob.silent.release(2);

        assertThat(reader.get()).isEqualTo(blob.device(5L * CHUNK, 100));
        await().until(() -> doubled("first") + doubled("second") == 1);
        assertThat(blob.requests).hasSize(2);
    }

    @Test
    void aSecondRequestThatFailsDoesNotHarmTheFirst() throws Exception {
        blob.silentWays.add(0);
        blob.failures.set(1);
        var lazy = openImpatiently(Duration.ofMillis(20));
        var reader = reading(() -> readChunk(lazy, 5));
        await().until(() -> blob.failures.get() == 0);

        blob.silent.release();

        assertThat(reader.get()).isEqualTo(blob.device(5L * CHUNK, 100));
        assertThat(time.sleeps).isEmpty();
    }

    @Test
    void whatNobodyWaitsForIsNotDoubled() throws Exception {
        blob.silentWays.add(0);
        var lazy = openImpatiently(Duration.ofMillis(5));
        lazy.expect(5, 6, FetchReason.AHEAD);

        await().during(Duration.ofMillis(200)).until(() -> blob.requests.size() == 1);

        var reader = reading(() -> readChunk(lazy, 6));
        assertThat(reader.get()).isEqualTo(blob.device(6L * CHUNK, 100));
        assertThat(blob.ways).containsExactly(0, 1);
    }

    private double doubled(String winner) {
        return meters.get("thaw.fetch.doubled").tag("winner", winner).counter().count();
    }

    @Test
    void aLargeReadComesInPartsSideBySide() throws Exception {
        var large = new FakeBlob(800, 5);
        var lazy = open(large, OnFailure.ERROR, 16, 64L << 20, 1L << 30, Duration.ofHours(1));
        large.gate = new Semaphore(0);
        lazy.expect(0, 799, FetchReason.AHEAD);

        await().until(() -> large.requests.size() == 4);

        large.gate.release(1000);
        await().until(() -> lazy.cachedBytes() == lazy.totalBytes());
        assertThat(large.requests).hasSize(4);
    }

    @Test
    void noPartBeginsAmongChunksThatAreDecodedTogether() throws Exception {
        var large = new FakeBlob(800, 5);
        large.together = 150;
        var lazy = open(large, OnFailure.ERROR, 16, 64L << 20, 1L << 30, Duration.ofHours(1));
        lazy.expect(0, 799, FetchReason.AHEAD);

        await().until(() -> lazy.cachedBytes() == lazy.totalBytes());
        assertThat(large.requests).extracting(FakeBlob.Request::firstChunk).containsExactlyInAnyOrder(0, 300, 600);
    }

    @Test
    void aPrefetchOutwaitsARegistryThatWantsToBeLeftAlone() throws Exception {
        var lazy = open(OnFailure.ERROR);
        blob.heldBack.set(2);

        lazy.expect(5, 5, FetchReason.AHEAD);

        await().until(() -> blob.requests.size() == 3);
        assertThat(time.sleeps).containsExactly(Duration.ofSeconds(20), Duration.ofSeconds(20));
    }

    @Test
    void aResponseThatBreaksOffIsTakenUpWhereItStopped() throws Exception {
        var lazy = open(OnFailure.ERROR);
        blob.cuts.set(1);

        assertThat(read(lazy, 0, 8 * CHUNK)).isEqualTo(blob.device(0, 8 * CHUNK));

        assertThat(blob.requests).hasSize(2);
        assertThat(blob.requests.getLast().firstChunk()).isBetween(2, 5);
    }

    @Test
    void afterTheReadTimeoutAReadFailsWhereThatIsWanted() throws Exception {
        var lazy = open(OnFailure.ERROR);
        blob.failures.set(1000);

        assertThatThrownBy(() -> readChunk(lazy, 5))
                .isInstanceOf(ReadFailed.class)
                .hasMessageContaining("503");

        assertThat(time.sleeps.stream().mapToLong(Duration::toMillis).sum()).isBetween(25_000L, 36_000L);
        blob.failures.set(0);
        assertThat(readChunk(lazy, 5)).isEqualTo(blob.device(5L * CHUNK, 100));
    }

    @Test
    void afterTheReadTimeoutAReadWaitsWhereThatIsWanted() throws Exception {
        var lazy = open(OnFailure.BLOCK);
        blob.failures.set(60);

        assertThat(readChunk(lazy, 5)).isEqualTo(blob.device(5L * CHUNK, 100));

        assertThat(time.sleeps.stream().mapToLong(Duration::toMillis).sum()).isGreaterThan(200_000);
    }

    @Test
    void aCorruptChunkIsAskedForOnceMore() throws Exception {
        var lazy = open(OnFailure.ERROR);
        blob.corruptions.set(1);

        assertThat(readChunk(lazy, 5)).isEqualTo(blob.device(5L * CHUNK, 100));

        assertThat(blob.requests).containsExactly(new Request(5, 5), new Request(5, 5));
        assertThat(blob.distrusted).hasValue(1);
    }

    @Test
    void aChunkThatStaysCorruptFailsEvenWhereReadsBlock() throws Exception {
        var lazy = open(OnFailure.BLOCK);
        blob.corruptions.set(2);

        assertThatThrownBy(() -> readChunk(lazy, 5))
                .isInstanceOf(ReadFailed.class)
                .hasMessageContaining("corrupt");

        assertThat(blob.requests).hasSize(2);
        assertThat(meters.get("thaw.fetch.corrupt.chunks").counter().count()).isEqualTo(2);
        assertThat(readChunk(lazy, 5)).isEqualTo(blob.device(5L * CHUNK, 100));
    }

    @Test
    void aPrefetchGivesUpAndAReadThatJoinedItDoesNot() throws Exception {
        var lazy = open(OnFailure.BLOCK);
        blob.failures.set(3);
        lazy.expect(5, 5, FetchReason.AHEAD);
        await().until(() -> blob.requests.size() == 3);

        assertThat(readChunk(lazy, 5)).isEqualTo(blob.device(5L * CHUNK, 100));
    }

    @Test
    void readsGoOnWhenTheCacheHoldsNothing() throws Exception {
        var lazy = open(OnFailure.ERROR, 4, 8L * CHUNK, 4096);

        assertThat(read(lazy, 3L * CHUNK + 10, 2 * CHUNK)).isEqualTo(blob.device(3L * CHUNK + 10, 2 * CHUNK));
        assertThat(read(lazy, 3L * CHUNK + 10, 2 * CHUNK)).isEqualTo(blob.device(3L * CHUNK + 10, 2 * CHUNK));

        assertThat(store.usedBytes()).isZero();
    }

    @Test
    void aReleasedBlobAnswersNoRead() throws Exception {
        var lazy = open(OnFailure.BLOCK);
        blob.gate = new Semaphore(0);
        var reader = reading(() -> readChunk(lazy, 5));
        await().until(() -> blob.requests.size() == 1);

        fetcher.release(lazy, true);

        assertThatThrownBy(reader::get).hasCauseInstanceOf(ReadFailed.class);
        assertThatThrownBy(() -> readChunk(lazy, 6)).isInstanceOf(ReadFailed.class);
    }

    @Test
    void theBackgroundFetchesTheRestAndStops() throws Exception {
        var lazy = open(OnFailure.ERROR);
        readChunk(lazy, 5);

        try (var _ = BackgroundFill.start(fetcher, "image", List.of(lazy), Duration.ZERO)) {
            await().until(() -> lazy.cachedBytes() == lazy.totalBytes());
        }

        assertThat(traffic.bytes(FetchReason.BACKGROUND)).isPositive();
        assertThat(blob.requests.size()).isLessThan(20);
    }

    @Test
    void theBackgroundAsksForSeveralPiecesAtATime() throws Exception {
        var lazy = open(OnFailure.ERROR, 16, 4L * CHUNK, 1L << 30);
        blob.gate = new Semaphore(0);

        try (var _ = BackgroundFill.start(fetcher, "image", List.of(lazy), Duration.ZERO)) {
            await().until(() -> blob.requests.size() == 4);
            await().during(Duration.ofMillis(100)).until(() -> blob.requests.size() == 4);
            blob.gate.release(1_000_000);
            await().until(() -> lazy.cachedBytes() == lazy.totalBytes());
        }
    }

    @Test
    void theBackgroundFetchesAgainWhatItDidNotGet() throws Exception {
        var lazy = open(OnFailure.ERROR);
        blob.failures.set(9);

        try (var _ = BackgroundFill.start(fetcher, "image", List.of(lazy), Duration.ZERO)) {
            await().until(() -> lazy.cachedBytes() == lazy.totalBytes());
        }
    }

    @Test
    void theWindowOfASequentialReaderEndsWithTheFile() throws Exception {
        var lazy = open(OnFailure.ERROR);
        blob.files.add(20);

        for (int chunk = 10; chunk < 20; chunk++) {
            readChunk(lazy, chunk);
        }

        await().until(() -> IntStream.range(10, 20).allMatch(lazy::isCached));
        assertThat(blob.requests)
                .allSatisfy(request -> assertThat(request.lastChunk()).isLessThan(20));
    }

    @Test
    void theBackgroundBeginsAfterAQuietPeriod() throws Exception {
        var lazy = open(OnFailure.ERROR);
        readChunk(lazy, 5);
        long before = time.nanos();

        try (var _ = BackgroundFill.startWhenQuiet(fetcher, "image", List.of(lazy))) {
            await().until(() -> lazy.cachedBytes() == lazy.totalBytes());
        }

        assertThat(time.nanos() - before)
                .isGreaterThanOrEqualTo(Duration.ofSeconds(5).toNanos());
    }

    @Test
    void theBackgroundDoesNotEvictToFill() throws Exception {
        var lazy = open(OnFailure.ERROR, 4, 4L * CHUNK, 20L * CHUNK);

        try (var _ = BackgroundFill.start(fetcher, "image", List.of(lazy), Duration.ZERO)) {
            await().until(() -> store.usedBytes() > 12L * CHUNK);
            await().during(Duration.ofMillis(200)).until(() -> store.usedBytes() <= 18L * CHUNK);
        }

        assertThat(meters.get("thaw.cache.evicted").counter().count()).isZero();
    }
}
