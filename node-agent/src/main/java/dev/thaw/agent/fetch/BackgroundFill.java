package dev.thaw.agent.fetch;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Fetches the rest of an image, blob by blob in the order of its layers. Waits while reads wait; ends when all is there, when
 * the cache has no room without evicting, or when it is closed.
 */
public final class BackgroundFill implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BackgroundFill.class);
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
            for (var blob : blobs) {
                if (!fill(blob)) {
                    return;
                }
            }
            LOG.info("image {} is complete on this node", image);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            LOG.error("filling image {} in the background failed; what is read is still fetched", image, e);
        }
    }

    private boolean fill(LazyBlob blob) throws InterruptedException {
        int first = 0;
        while (first < blob.chunkCount()) {
            int last = first;
            long bytes = blob.missingBytes(first, first);
            while (last + 1 < blob.chunkCount() && bytes < fetcher.settings().rangeBytes()) {
                last++;
                bytes += blob.missingBytes(last, last);
            }
            if (bytes > 0) {
                awaitQuiet(YIELD);
                if (!fetcher.store().hasRoomFor(bytes)) {
                    LOG.info("image {} is not filled further: the cache has no room for it", image);
                    return false;
                }
                if (!await(blob.expect(first, last, FetchReason.BACKGROUND))) {
                    fetcher.time().sleep(PAUSE_AFTER_FAILURE);
                    continue;
                }
            }
            first = last + 1;
        }
        return true;
    }

    private boolean await(List<Flight> flights) throws InterruptedException {
        var all = CompletableFuture.allOf(
                flights.stream().map(flight -> flight.landed).toArray(CompletableFuture<?>[]::new));
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
