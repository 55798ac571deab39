package dev.thaw.agent.fetch;

import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;

/**
 * Finds sequential readers among the reads of one blob and says how far to fetch ahead of each. A reader that moves on to the
 * next chunk doubles its window, up to the size of one request; one that jumps begins anew.
 *
 * <p>The window ends with the file, where nearly all readers do: what lies behind is another file, which few of them want. Who does
 * go on with the next file, as a reader of a whole tree, is given some of what follows; twice as much at each further file.
 */
final class ReadPattern {
    private static final int READERS = 8;
    private static final long FIRST_WINDOW_BYTES = 256 << 10;
    /** What is asked for at once of a wide window, so that the rest of it is on its way while the next is asked for. */
    private static final long LARGEST_STEP_BYTES = 2 << 20;
    /** At 1 Gbit/s and half a millisecond that comes in the time of one request more. */
    private static final long FIRST_BEYOND_BYTES = 64 << 10;

    private final ReentrantLock lock = new ReentrantLock();
    private final Reader[] readers;
    private final long widestBytes;
    private int oldest;

    /** Who reads from front to back. */
    private static final class Reader {
        private int next = -1;
        private int fetchedUntil;
        private long windowBytes;
        /** What of the window may lie behind the end of the file. */
        private long beyondBytes;

        void begin(int last) {
            next = last + 1;
            fetchedUntil = last;
            windowBytes = 0;
            beyondBytes = 0;
        }
    }

    /** @param widestBytes of the largest window */
    ReadPattern(long widestBytes) {
        this.widestBytes = widestBytes;
        readers = Stream.generate(Reader::new).limit(READERS).toArray(Reader[]::new);
    }

    /** Chunks to fetch ahead; none when {@code from > to}. */
    record Ahead(int from, int to) {
        static final Ahead NOTHING = new Ahead(0, -1);

        boolean isEmpty() {
            return from > to;
        }
    }

    /** A read of the chunks {@code first} to {@code last} has come. */
    Ahead observe(StoredChunks chunks, int first, int last) {
        lock.lock();
        try {
            for (var reader : readers) {
                if (reader.next >= 0 && (first == reader.next || first == reader.next - 1)) {
                    return last < reader.next ? Ahead.NOTHING : advance(reader, chunks, last);
                }
            }
            readers[oldest].begin(last);
            oldest = (oldest + 1) % READERS;
            return Ahead.NOTHING;
        } finally {
            lock.unlock();
        }
    }

    private Ahead advance(Reader reader, StoredChunks chunks, int last) {
        for (int chunk = reader.next; chunk <= last; chunk++) {
            if (chunks.beginsFile(chunk)) {
                reader.beyondBytes = grown(reader.beyondBytes, FIRST_BEYOND_BYTES);
            }
        }
        reader.next = last + 1;
        reader.windowBytes = grown(reader.windowBytes, Math.max(FIRST_WINDOW_BYTES, chunks.footprint(last)));
        int done = Math.max(reader.fetchedUntil, last);
        // Half a window at a time: many small requests would cost a round trip each. No more than a step: what is
        // asked for at once is asked for side by side and comes all at its end; behind it the line would be idle for
        // a round trip.
        long step = Math.min(reader.windowBytes / 2, LARGEST_STEP_BYTES);
        if (chunks.offset(done) - chunks.offset(last) > reader.windowBytes - step) {
            return Ahead.NOTHING;
        }
        int reach = reach(reader, chunks, last);
        reader.fetchedUntil = Math.max(done, reach);
        return reach <= done ? Ahead.NOTHING : new Ahead(done + 1, reach);
    }

    private long grown(long bytes, long least) {
        return Math.min(widestBytes, Math.max(least, bytes * 2));
    }

    /** The last chunk of the window that begins behind {@code last}: of the same file at least one. */
    private static int reach(Reader reader, StoredChunks chunks, int last) {
        long bytes = 0;
        long beyond = 0;
        boolean outside = false;
        int reach = last;
        for (int chunk = last + 1; chunk < chunks.count(); chunk++) {
            outside |= chunks.beginsFile(chunk);
            bytes += chunks.footprint(chunk);
            beyond += outside ? chunks.footprint(chunk) : 0;
            if (beyond > reader.beyondBytes || bytes > reader.windowBytes && reach > last) {
                break;
            }
            reach = chunk;
        }
        return reach;
    }
}
