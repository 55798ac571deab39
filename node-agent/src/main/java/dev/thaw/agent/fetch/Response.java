package dev.thaw.agent.fetch;

import dev.thaw.agent.cache.CachedBlob;
import dev.thaw.rafs.CorruptImageException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One response to one range request, and the chunks that land from it. It has a thread of its own, so that whoever waits for
 * the chunks can see it fall silent and abandon it. Two may deliver the same chunks: the first to land counts.
 */
final class Response {
    private static final Logger LOG = LoggerFactory.getLogger(Response.class);
    private static final int TRANSFER_BYTES = 64 << 10;
    /** Far below what registries and proxies take for a dead connection. */
    private static final Duration LONGEST_STANDSTILL = Duration.ofSeconds(5);

    private final ChunkFetcher fetcher;
    private final BlobFetch blob;
    private final TrafficCount traffic;
    private final List<Flight> wanted;
    private final int way;
    private final Supplier<FetchReason> reason;
    private final Consumer<Response> ended;
    private final Thread thread;
    private volatile long lastByteNanos;
    private volatile boolean abandoned;
    private volatile boolean over;
    private volatile @Nullable IOException failure;

    /**
     * @param wanted in ascending order; none where another response has just delivered the last of them
     * @param ended told when it has delivered all, failed or was abandoned
     */
    Response(
            ChunkFetcher fetcher,
            BlobFetch blob,
            TrafficCount traffic,
            List<Flight> wanted,
            int way,
            Supplier<FetchReason> reason,
            Consumer<Response> ended) {
        this.fetcher = fetcher;
        this.blob = blob;
        this.traffic = traffic;
        this.wanted = wanted;
        this.way = way;
        this.reason = reason;
        this.ended = ended;
        lastByteNanos = System.nanoTime();
        thread = Thread.ofVirtual().unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    /** How long nothing has come. */
    long silentNanos() {
        return System.nanoTime() - lastByteNanos;
    }

    boolean isEnded() {
        return over;
    }

    /** Why not all has come; nothing while it is coming. */
    @Nullable IOException failure() {
        return failure;
    }

    /** What it would still deliver is of no use. */
    void abandon() {
        abandoned = true;
        thread.interrupt();
    }

    private void run() {
        long begun = System.nanoTime();
        try {
            stream(begun);
        } catch (IOException e) {
            failure = e;
        } catch (InterruptedException e) {
            failure = new IOException("fetching was stopped", e);
        } catch (RuntimeException | Error e) {
            LOG.error("a response for blob {} could not be dealt with", blob.id(), e);
            failure = new IOException(e);
        } finally {
            if (!abandoned) {
                fetcher.metrics().request(reason.get(), failure == null, System.nanoTime() - begun);
            }
            over = true;
            ended.accept(this);
        }
    }

    private void stream(long begun) throws IOException, InterruptedException {
        if (wanted.isEmpty()) {
            return;
        }
        var chunks = blob.chunks();
        long position = chunks.storedOffset(wanted.getFirst().chunk);
        int last = wanted.getLast().chunk;
        long end = chunks.storedOffset(last) + chunks.storedLength(last);
        traffic.requested(reason.get());
        var origin = blob.origin(traffic, way);
        try (var arena = Arena.ofConfined();
                var response = origin.range(position, end - position, way)) {
            heard();
            fetcher.stragglers().answered(lastByteNanos - begun);
            var buffers = buffers(arena);
            for (var flight : wanted) {
                response.skipNBytes(chunks.storedOffset(flight.chunk) - position);
                receive(response, buffers, flight);
                position = chunks.storedOffset(flight.chunk) + chunks.storedLength(flight.chunk);
                if (!flight.landed.isDone()) {
                    land(flight, buffers, () -> origin.distrust(response));
                }
            }
        }
    }

    private void heard() {
        lastByteNanos = System.nanoTime();
    }

    /** Memory for one chunk at a time, as it is stored and as it is decoded. */
    private record Buffers(MemorySegment stored, MemorySegment content) {}

    private Buffers buffers(Arena arena) {
        int stored = 0;
        int content = 0;
        for (var flight : wanted) {
            stored = Math.max(stored, blob.chunks().storedLength(flight.chunk));
            content = Math.max(content, blob.chunks().length(flight.chunk));
        }
        return new Buffers(arena.allocate(stored, 8), arena.allocate(content, 8));
    }

    private void receive(InputStream response, Buffers buffers, Flight flight)
            throws IOException, InterruptedException {
        int length = blob.chunks().storedLength(flight.chunk);
        var transfer = new byte[Math.min(length, TRANSFER_BYTES)];
        int received = 0;
        while (received < length) {
            if (reason.get() == FetchReason.BACKGROUND) {
                fetcher.gate().giveWay(reason, LONGEST_STANDSTILL.toNanos());
                heard();
            }
            int n = response.read(transfer, 0, Math.min(transfer.length, length - received));
            if (n < 0) {
                throw new EOFException("the response ended in chunk %d of blob %s, %d bytes early"
                        .formatted(flight.chunk, blob.id(), length - received));
            }
            heard();
            MemorySegment.copy(transfer, 0, buffers.stored, ValueLayout.JAVA_BYTE, received, n);
            received += n;
            traffic.fetched(flight.reason, n);
            fetcher.metrics().bytes(flight.reason, n);
            fetcher.bandwidth().spend(n, reason.get());
            heard();
        }
    }

    /** Hands over a chunk whose stored bytes are complete; where they are wrong, asks for them once more. */
    private void land(Flight flight, Buffers buffers, Runnable distrust) throws IOException, InterruptedException {
        var landed = accept(flight.chunk, buffers);
        if (landed == null) {
            distrust.run();
            fetcher.metrics().corrupt();
            LOG.error(
                    "chunk {} of blob {} came with a wrong digest; it is not served, and asked for once more",
                    flight.chunk,
                    blob.id());
            landed = again(flight, buffers);
        }
        if (landed == null) {
            fetcher.metrics().corrupt();
            LOG.error(
                    "chunk {} of blob {} came with a wrong digest twice; reads of it fail. Is the blob damaged in its"
                            + " registry, or a mirror before it?",
                    flight.chunk,
                    blob.id());
            blob.failed(
                    flight,
                    new ChunkUnavailable(
                            "chunk %d of blob %s is corrupt at its source".formatted(flight.chunk, blob.id())));
        } else {
            blob.landed(flight, landed);
        }
    }

    private Flight.@Nullable Landed again(Flight flight, Buffers buffers) throws IOException, InterruptedException {
        var chunks = blob.chunks();
        int length = chunks.storedLength(flight.chunk);
        traffic.requested(reason.get());
        try (var response = blob.origin(traffic, way + 1).range(chunks.storedOffset(flight.chunk), length, way + 1)) {
            receive(response, buffers, flight);
            return accept(flight.chunk, buffers);
        }
    }

    /** Decodes, checks and keeps a chunk. Null when it is not what its digest says. */
    private Flight.@Nullable Landed accept(int chunk, Buffers buffers) throws IOException {
        var chunks = blob.chunks();
        var content = buffers.content.asSlice(0, chunks.length(chunk));
        try {
            chunks.decode(chunk, buffers.stored.asSlice(0, chunks.storedLength(chunk)), content);
            return switch (blob.cached().put(chunk, content)) {
                case CachedBlob.Kept.ON_DISK -> Flight.Landed.ON_DISK;
                case CachedBlob.Kept.UNCACHED ->
                    new Flight.Landed(MemorySegment.ofArray(content.toArray(ValueLayout.JAVA_BYTE)));
                case CachedBlob.Kept.CORRUPT -> null;
            };
        } catch (CorruptImageException e) {
            LOG.error("chunk {} of blob {} cannot be decoded: {}", chunk, blob.id(), e.getMessage());
            return null;
        }
    }
}
