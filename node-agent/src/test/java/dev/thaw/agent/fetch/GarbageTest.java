package dev.thaw.agent.fetch;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.cache.DiskChunkStore;
import dev.thaw.agent.cache.FakeLayout;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A read that the cache answers must cost the collector nothing: there are a hundred thousand of them a second. */
final class GarbageTest {
    private static final int CHUNKS = 64;
    private static final int READS = 5_000;
    private static final int MOST_ROUNDS = 400;

    @TempDir
    Path directory;

    @Test
    void readsFromTheCacheLeaveNone() throws Exception {
        var blob = new FakeBlob(CHUNKS, 3);
        var meters = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        try (var store = new DiskChunkStore(new CacheSettings(directory, 1L << 30, 0.9, 0.5), meters);
                var fetcher = new ChunkFetcher(FetchSettings.DEFAULT, store, meters);
                var arena = Arena.ofConfined()) {
            var lazy = fetcher.open("ab".repeat(32), blob.sizeBytes(), blob, blob, new TrafficCount());
            var target = arena.allocate(4096, 8);
            for (int chunk = 0; chunk < CHUNKS; chunk++) {
                lazy.read((long) chunk * FakeLayout.CHUNK_BYTES, 4096, target);
            }
            var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long least = Long.MAX_VALUE;
            // The first rounds are those of the interpreter and the compilers.
            for (int round = 0; round < MOST_ROUNDS && least > READS; round++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int read = 0; read < READS; read++) {
                    // Far apart, as of a program that maps its libraries; a step that is prime to the number of chunks.
                    long offset = (long) (read * 29 % CHUNKS) * FakeLayout.CHUNK_BYTES;
                    if (!lazy.readCached(offset, 4096, target)) {
                        throw new IllegalStateException("chunk at " + offset + " is not in the cache");
                    }
                }
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertThat(least).as("bytes of %d reads", READS).isLessThanOrEqualTo(READS);
        }
    }
}
