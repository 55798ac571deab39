package dev.thaw.agent.cache;

import java.nio.file.Path;
import java.time.Duration;

/**
 * Where chunks are kept, and how many.
 *
 * @param directory of the cache files; made if it is not there
 * @param maxBytes of chunks on disk; more is never kept
 * @param highWatermark share of {@code maxBytes} at which eviction begins
 * @param lowWatermark share of {@code maxBytes} at which it ends
 * @param syncInterval how often new chunks are made to survive a power failure; one that is younger may be fetched again
 * @param minFreeBytes what is left free of the file system: below it chunks are evicted, and new ones not kept
 */
public record CacheSettings(
        Path directory,
        long maxBytes,
        double highWatermark,
        double lowWatermark,
        Duration syncInterval,
        long minFreeBytes) {
    public CacheSettings {
        if (maxBytes <= 0
                || minFreeBytes < 0
                || !(0 < lowWatermark && lowWatermark < highWatermark && highWatermark <= 1)) {
            throw new IllegalArgumentException(
                    "a cache needs maxBytes > 0, minFreeBytes >= 0 and 0 < low < high <= 1 watermarks");
        }
    }

    public CacheSettings(Path directory, long maxBytes, double highWatermark, double lowWatermark, long minFreeBytes) {
        this(directory, maxBytes, highWatermark, lowWatermark, Duration.ofSeconds(2), minFreeBytes);
    }

    public CacheSettings(Path directory, long maxBytes, double highWatermark, double lowWatermark) {
        this(directory, maxBytes, highWatermark, lowWatermark, 0);
    }

    long highBytes() {
        return (long) (maxBytes * highWatermark);
    }

    /** So much more than the least is made free at once, lest each new chunk evicts another. */
    long comfortableFreeBytes() {
        return minFreeBytes + minFreeBytes / 10;
    }

    long lowBytes() {
        return (long) (maxBytes * lowWatermark);
    }
}
