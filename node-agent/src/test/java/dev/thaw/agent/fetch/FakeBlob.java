package dev.thaw.agent.fetch;

import dev.thaw.agent.cache.FakeLayout;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;

/** A blob whose chunks are stored as they are, and its registry: counts requests, and fails as a test says. */
final class FakeBlob extends FakeLayout implements StoredChunks, BlobOrigin {
    /** Asked for: chunks, both included. */
    record Request(int firstChunk, int lastChunk) {}

    final List<Request> requests = new CopyOnWriteArrayList<>();
    /** So many requests fail before one succeeds. */
    final AtomicInteger failures = new AtomicInteger();
    /** So many requests deliver wrong bytes. */
    final AtomicInteger corruptions = new AtomicInteger();
    /** So many requests break off in the middle. */
    final AtomicInteger cuts = new AtomicInteger();

    final AtomicInteger distrusted = new AtomicInteger();
    /** The way of each request. */
    final List<Integer> ways = new CopyOnWriteArrayList<>();
    /** So many requests are told to come again in 20 s. */
    final AtomicInteger heldBack = new AtomicInteger();
    /** Requests on these ways wait for {@link #silent}. */
    final Set<Integer> silentWays = ConcurrentHashMap.newKeySet();

    final Semaphore silent = new Semaphore(0);
    /** So many neighbours are decoded together. */
    int together = 1;
    /** A request waits for one of these. */
    volatile Semaphore gate = new Semaphore(1_000_000);

    /** Chunks with which files begin, beside the first. */
    final Set<Integer> files = ConcurrentHashMap.newKeySet();

    private final byte[] stored;
    private final int[] starts;

    FakeBlob(int count, long seed) {
        super(count, seed);
        var all = new ByteArrayOutputStream();
        starts = new int[count];
        for (int chunk = 0; chunk < count; chunk++) {
            starts[chunk] = all.size();
            all.writeBytes(content(chunk));
        }
        stored = all.toByteArray();
    }

    @Override
    public InputStream range(long offset, long length, int way) throws IOException {
        requests.add(new Request(at(offset), at(offset + length - 1)));
        ways.add(way);
        if (heldBack.getAndUpdate(n -> Math.max(n - 1, 0)) > 0) {
            throw new HeldBack(Duration.ofSeconds(20), new IOException("429"));
        }
        try {
            if (silentWays.contains(way)) {
                silent.acquire();
            }
            gate.acquire();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
        if (failures.getAndUpdate(n -> Math.max(n - 1, 0)) > 0) {
            throw new IOException("503");
        }
        var bytes = java.util.Arrays.copyOfRange(stored, (int) offset, (int) (offset + length));
        if (corruptions.getAndUpdate(n -> Math.max(n - 1, 0)) > 0) {
            bytes[bytes.length / 2] ^= 1;
        }
        if (cuts.getAndUpdate(n -> Math.max(n - 1, 0)) > 0) {
            bytes = java.util.Arrays.copyOf(bytes, bytes.length / 2);
        }
        return new ByteArrayInputStream(bytes);
    }

    @Override
    public void distrust(InputStream delivered) {
        distrusted.incrementAndGet();
    }

    private int at(long offset) {
        int chunk = count() - 1;
        while (starts[chunk] > offset) {
            chunk--;
        }
        return chunk;
    }

    @Override
    public long storedOffset(int chunk) {
        return starts[chunk];
    }

    @Override
    public int storedLength(int chunk) {
        return length(chunk);
    }

    @Override
    public int firstTogether(int chunk) {
        return chunk - chunk % together;
    }

    @Override
    public int lastTogether(int chunk) {
        return Math.min(count(), firstTogether(chunk) + together) - 1;
    }

    @Override
    public boolean beginsFile(int chunk) {
        return chunk == 0 || files.contains(chunk);
    }

    @Override
    public void decode(int chunk, MemorySegment from, MemorySegment content) {
        content.copyFrom(from);
    }

    @Override
    public StoredChunks union(StoredChunks other) {
        return this;
    }
}
