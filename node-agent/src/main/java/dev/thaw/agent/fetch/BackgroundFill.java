package dev.thaw.agent.fetch;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Fetches the rest of an image, blob by blob in the order of its layers, by a few requests at a time: one connection is often
 * slower than the line. Asks for nothing while reads wait, and what is on its way then stands still; ends when all is there,
 * when the cache has no room without evicting, or when it is closed.
 */
public final class BackgroundFill implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BackgroundFill.class);
    private static final int PIECES_UNDER_WAY = 4;
    private static final Duration YIELD = Duration.ofMillis(200);
    private static final Duration LONGEST_REQUEST = Duration.ofMinutes(10);
    private static final Duration PAUSE_AFTER_FAILURE = Duration.ofSeconds(30);

    private final ChunkFetcher fetcher;
    private final String image;
    private final List<LazyBlob> blobs;
    private final Thread thread;

    private BackgroundFill(ChunkFetcher fetcher, String image, List<LazyBlob> blobs, Duration quietFirst) {
        this.fetcher = fetcher;
        this.image = image;
        this.blobs = List.copyOf(blobs);
        thread = Thread.ofVirtual().name("fill-" + image).unstarted(() -> fill(quietFirst));
    }

    /**
     * Begins to fill an image.
     *
     * @param quietFirst how long no read must have waited before it begins; zero to begin at once
     */
    public static BackgroundFill start(ChunkFetcher fetcher, String image, List<LazyBlob> blobs, Duration quietFirst) {
        var fill = new BackgroundFill(fetcher, image, blobs, quietFirst);
        fill.thread.start();
        return fill;
    }

    /** As {@link #start}, with the quiet period that the settings name. */
    public static BackgroundFill startWhenQuiet(ChunkFetcher fetcher, String image, List<LazyBlob> blobs) {
        return start(fetcher, image, blobs, fetcher.settings().quietPeriod());
    }

    private void fill(Duration quietFirst) {
        try {
            if (!quietFirst.isZero()) {
                fetcher.time().sleep(quietFirst);
                awaitQuiet(quietFirst);
            }
            if (fillAll()) {
                LOG.info("image {} is complete on this node", image);
            } else {
                LOG.info("image {} is not filled further: the cache has no room for it", image);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            LOG.error("filling image {} in the background failed; what is read is still fetched", image, e);
        }
    }

    /** @return whether there was room for all of it */
    private boolean fillAll() throws InterruptedException {
        var underWay = new ArrayDeque<Piece>();
        for (var blob : blobs) {
            int first = 0;
            while (first < blob.chunkCount()) {
                var piece = piece(blob, first);
                first = piece.last + 1;
                if (piece.bytes == 0) {
                    continue;
                }
                awaitQuiet(YIELD);
                long coming = underWay.stream().mapToLong(Piece::missing).sum();
                if (!fetcher.store().hasRoomFor(coming + piece.bytes)) {
                    return false;
                }
                underWay.add(piece.asked());
                if (underWay.size() == PIECES_UNDER_WAY) {
                    land(underWay.remove());
                }
            }
        }
        while (!underWay.isEmpty()) {
            land(underWay.remove());
        }
        return true;
    }

    /**
     * Neighbours that are asked for together.
     *
     * @param bytes on disk of what was missing of them at first
     */
    private record Piece(LazyBlob blob, int first, int last, long bytes, List<Flight> flights) {
        long missing() {
            return blob.missingBytes(first, last);
        }

        Piece asked() {
            return new Piece(blob, first, last, bytes, blob.expect(first, last, FetchReason.BACKGROUND));
        }
    }

    /** What one request may bring, from a chunk on. */
    private Piece piece(LazyBlob blob, int first) {
        int last = first;
        long bytes = blob.missingBytes(first, first);
        while (last + 1 < blob.chunkCount() && bytes < fetcher.settings().rangeBytes()) {
            last++;
            bytes += blob.missingBytes(last, last);
        }
        return new Piece(blob, first, last, bytes, List.of());
    }

    private void land(Piece piece) throws InterruptedException {
        var asked = piece;
        while (!hasLanded(asked)) {
            fetcher.time().sleep(PAUSE_AFTER_FAILURE);
            awaitQuiet(YIELD);
            asked = asked.asked();
        }
    }

    private boolean hasLanded(Piece piece) throws InterruptedException {
        var all = CompletableFuture.allOf(
                piece.flights.stream().map(flight -> flight.landed).toArray(CompletableFuture<?>[]::new));
        try {
            all.get(LONGEST_REQUEST.toMillis(), TimeUnit.MILLISECONDS);
            return true;
        } catch (ExecutionException | TimeoutException e) {
            LOG.warn("image {} is being filled; {}", image, e.toString());
            return false;
        }
    }

    private void awaitQuiet(Duration quiet) throws InterruptedException {
        while (fetcher.quietNanos() < quiet.toNanos()) {
            fetcher.time().sleep(Duration.ofNanos(Math.max(1, quiet.toNanos() - fetcher.quietNanos())));
        }
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
