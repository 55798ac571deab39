package dev.thaw.agent.fetch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.cache.DiskChunkStore;
import dev.thaw.agent.cache.FakeLayout;
import dev.thaw.agent.fetch.FakeBlob.Request;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ReplayTest {
    private static final int CHUNK = FakeLayout.CHUNK_BYTES;

    @TempDir
    Path directory;

    private final FakeBlob blob = new FakeBlob(200, 3);
    private final TrafficCount traffic = new TrafficCount();
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private final List<Integer> fetched = new ArrayList<>();
    private final ExecutorService aside = Executors.newVirtualThreadPerTaskExecutor();
    private DiskChunkStore store;
    private ChunkFetcher fetcher;

    @AfterEach
    void close() throws Exception {
        blob.gate.release(1000);
        fetcher.close();
        store.close();
        aside.shutdownNow();
    }

    private LazyBlob open(long cacheBytes) throws Exception {
        store = new DiskChunkStore(new CacheSettings(directory, cacheBytes, 0.9, 0.5), meters);
        fetcher = new ChunkFetcher(
                new FetchSettings(
                        8,
                        8L * CHUNK,
                        Duration.ofSeconds(30),
                        OnFailure.ERROR,
                        0,
                        OptionalLong.empty(),
                        Duration.ofSeconds(5)),
                store,
                meters,
                new FakeTime());
        return fetcher.open("ab".repeat(32), blob.sizeBytes(), blob, blob, traffic);
    }

    private Replay replay() {
        return new Replay(fetcher, FetchReason.AHEAD, (ignored, chunk) -> fetched.add(chunk));
    }

    private static List<Span> spans(LazyBlob lazy, int... chunks) {
        var spans = new ArrayList<Span>();
        for (int chunk : chunks) {
            spans.add(new Span(lazy, chunk, chunk));
        }
        return spans;
    }

    @Test
    void joinsNeighboursThatAreReadAboutTheSameTime() throws Exception {
        var lazy = open(1L << 30);

        assertThat(replay().run(spans(lazy, 42, 7, 40, 5, 41, 6))).isEqualTo(Replay.Outcome.COMPLETE);

        assertThat(blob.requests).containsExactlyInAnyOrder(new Request(5, 7), new Request(40, 42));
        assertThat(traffic.requests(FetchReason.AHEAD)).isEqualTo(2);
        assertThat(traffic.requests(FetchReason.DEMAND)).isZero();
        assertThat(fetched).containsExactlyInAnyOrder(5, 6, 7, 40, 41, 42);
    }

    @Test
    void leavesOutWhatIsThere() throws Exception {
        var lazy = open(1L << 30);
        replay().run(spans(lazy, 5, 6));
        blob.requests.clear();
        fetched.clear();

        assertThat(replay().run(List.of(new Span(lazy, 4, 7)))).isEqualTo(Replay.Outcome.COMPLETE);

        assertThat(blob.requests).containsExactlyInAnyOrder(new Request(4, 4), new Request(7, 7));
        assertThat(fetched).containsExactly(4, 7);
    }

    @Test
    void asksForLaterWindowsOnlyWhenEarlierOnesHaveCome() throws Exception {
        var lazy = open(1L << 30);
        blob.gate = new Semaphore(0);
        var outcome = new AtomicReference<Replay.Outcome>();
        Callable<Void> work = () -> {
            outcome.set(replay().run(List.of(new Span(lazy, 100, 199), new Span(lazy, 0, 99))));
            return null;
        };
        var running = aside.submit(work);

        // The first window is one request; the second one is twice as large.
        await().until(() -> blob.requests.size() >= 3);
        assertThat(blob.requests).allSatisfy(request -> {
            assertThat(request.firstChunk()).isGreaterThanOrEqualTo(100);
            assertThat(request.lastChunk()).isLessThan(130);
        });
        assertThat(running).isNotDone();

        blob.gate.release(1000);
        running.get();
        assertThat(outcome.get()).isEqualTo(Replay.Outcome.COMPLETE);
        assertThat(fetched).hasSize(200).doesNotHaveDuplicates();
        // 8, 16, 32 and 32; the next one has the last of one span and the first of the other.
        assertThat(fetched.subList(0, 88)).allSatisfy(chunk -> assertThat(chunk).isGreaterThanOrEqualTo(100));
    }

    @Test
    void evictsNothingForWhatIsOnlyExpected() throws Exception {
        var lazy = open(20L * CHUNK);

        assertThat(replay().run(List.of(new Span(lazy, 0, 199)))).isEqualTo(Replay.Outcome.NO_ROOM);

        await().until(() -> lazy.cachedBytes() == 8L * CHUNK); // the first window
        assertThat(blob.requests).containsExactly(new Request(0, 7));
    }

    @Test
    void givesUpWhenTheRegistryDoesNotGive() throws Exception {
        var lazy = open(1L << 30);
        blob.failures.set(1000);

        assertThat(replay().run(List.of(new Span(lazy, 0, 199)))).isEqualTo(Replay.Outcome.FAILED);

        assertThat(blob.requests).hasSizeLessThan(20);
    }

    @Test
    void peekingIsNoRead() throws Exception {
        var lazy = open(1L << 30);
        var observed = new ArrayList<Integer>();
        lazy.observe((first, last) -> observed.add(first));
        try (var arena = Arena.ofConfined()) {
            var target = arena.allocate(100);
            assertThat(lazy.peek(9L * CHUNK, 100, target)).isTrue();
            assertThat(target.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE)).isEqualTo(blob.device(9L * CHUNK, 100));
            assertThat(observed).isEmpty();
            assertThat(traffic.touchedBytes()).isZero();
            assertThat(traffic.requests(FetchReason.DEMAND)).isZero();

            assertThat(lazy.readCached(9L * CHUNK, 100, target)).isTrue();
            assertThat(observed).containsExactly(9);
        }
    }
}
