package dev.thaw.operator.node;

import dev.thaw.node.v1.Chunks;
import dev.thaw.node.v1.Trace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * One order of chunks out of those of several starts. A chunk is kept if at least half of the starts read it; its place is the
 * median of its places in those. So one odd start (a shell, a crash, a scanner) neither adds what only it read nor spoils the
 * order.
 *
 * @param chunks what is kept, in order, at most {@value #MOST_CHUNKS}
 * @param storedBytes of those chunks
 */
record MergedTrace(Chunks chunks, long storedBytes) {
    /** As many as an agent records. */
    static final int MOST_CHUNKS = 32_768;

    static final MergedTrace NOTHING = new MergedTrace(Chunks.getDefaultInstance(), 0);

    /** How one chunk was read. */
    private static final class Seen {
        private final int blob;
        private final int chunk;
        private final int storedBytes;
        private final int[] ranks;
        private int starts;

        Seen(int blob, int chunk, int storedBytes, int mostStarts) {
            this.blob = blob;
            this.chunk = chunk;
            this.storedBytes = storedBytes;
            ranks = new int[mostStarts];
        }

        void at(int rank) {
            ranks[starts++] = rank;
        }

        int median() {
            var sorted = Arrays.copyOf(ranks, starts);
            Arrays.sort(sorted);
            return sorted[(starts - 1) / 2];
        }
    }

    static MergedTrace of(List<Trace> traces) {
        var chunks = new LinkedHashMap<Long, Seen>();
        for (var trace : traces) {
            for (int rank = 0; rank < trace.getChunks().getChunkCount(); rank++) {
                int blob = trace.getChunks().getBlob(rank);
                int chunk = trace.getChunks().getChunk(rank);
                int bytes = trace.getStoredBytes(rank);
                chunks.computeIfAbsent((long) blob << 32 | chunk, _ -> new Seen(blob, chunk, bytes, traces.size()))
                        .at(rank);
            }
        }
        var kept = new ArrayList<Seen>();
        for (var seen : chunks.values()) {
            if (2 * seen.starts >= traces.size()) {
                kept.add(seen);
            }
        }
        kept.sort(Comparator.comparingInt(Seen::median)
                .thenComparingInt(seen -> seen.blob)
                .thenComparingInt(seen -> seen.chunk));
        var order = Chunks.newBuilder();
        long bytes = 0;
        for (var seen : kept.subList(0, Math.min(kept.size(), MOST_CHUNKS))) {
            order.addBlob(seen.blob).addChunk(seen.chunk);
            bytes += seen.storedBytes;
        }
        return new MergedTrace(order.build(), bytes);
    }
}
