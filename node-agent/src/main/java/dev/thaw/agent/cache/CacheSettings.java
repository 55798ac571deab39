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
 * @param syncInterval how often new chunks are made to survive a power failure; a chunk younger than that is fetched again
 */
public record CacheSettings(
        Path directory, long maxBytes, double highWatermark, double lowWatermark, Duration syncInterval) {
    public CacheSettings {
        if (maxBytes <= 0 || !(0 < lowWatermark && lowWatermark < highWatermark && highWatermark <= 1)) {
            throw new IllegalArgumentException("a cache needs maxBytes > 0 and 0 < low < high <= 1 watermarks");
        }
    }

    public CacheSettings(Path directory, long maxBytes, double highWatermark, double lowWatermark) {
        this(directory, maxBytes, highWatermark, lowWatermark, Duration.ofSeconds(2));
    }

    long highBytes() {
        return (long) (maxBytes * highWatermark);
    }

    long lowBytes() {
        return (long) (maxBytes * lowWatermark);
    }
}
