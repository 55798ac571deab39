package dev.thaw.agent.fetch;

import java.time.Duration;
import java.util.OptionalLong;

/**
 * How fetching spends the network, and how long it tries.
 *
 * @param parallelism requests at a time, of the whole node
 * @param rangeBytes most that one request asks for
 * @param readTimeout how long a read waits before {@code onFailure} decides
 * @param retries how often a request that nobody waits for is repeated
 * @param bandwidthBytesPerSecond limit for what nobody waits for yet; none when empty
 * @param quietPeriod how long no read must have missed before an image is filled that is to be filled after it is ready
 * @param leastPatience a request that a read waits for may be silent for so long, however fast others are, before its bytes
 *     are asked for on a second way
 * @param mostPatience and for no longer than this, however slow others are
 * @param neighbourBytes what a read asks for is made up to this with what lies behind it: a request has a price of its own
 */
public record FetchSettings(
        int parallelism,
        long rangeBytes,
        Duration readTimeout,
        OnFailure onFailure,
        int retries,
        OptionalLong bandwidthBytesPerSecond,
        Duration quietPeriod,
        Duration leastPatience,
        Duration mostPatience,
        long neighbourBytes) {
    /** At 1 Gbit/s four milliseconds on the line, which is about what a request takes besides. */
    private static final long USUAL_NEIGHBOUR_BYTES = 512 << 10;

    public static final FetchSettings DEFAULT = new FetchSettings(
                    16,
                    8 << 20,
                    Duration.ofMinutes(5),
                    OnFailure.BLOCK,
                    5,
                    OptionalLong.empty(),
                    Duration.ofSeconds(10))
            .withNeighbours();

    public FetchSettings {
        if (parallelism < 1 || rangeBytes < 1) {
            throw new IllegalArgumentException("fetching needs parallelism and rangeBytes of at least 1");
        }
        if (!leastPatience.isPositive() || leastPatience.compareTo(mostPatience) > 0) {
            throw new IllegalArgumentException("fetching needs 0 < leastPatience <= mostPatience");
        }
    }

    /** With the usual patience, and no neighbours. */
    public FetchSettings(
            int parallelism,
            long rangeBytes,
            Duration readTimeout,
            OnFailure onFailure,
            int retries,
            OptionalLong bandwidthBytesPerSecond,
            Duration quietPeriod) {
        this(
                parallelism,
                rangeBytes,
                readTimeout,
                onFailure,
                retries,
                bandwidthBytesPerSecond,
                quietPeriod,
                Duration.ofMillis(50),
                Duration.ofSeconds(2),
                0);
    }

    /** With as many neighbours as usually pay. */
    public FetchSettings withNeighbours() {
        return new FetchSettings(
                parallelism,
                rangeBytes,
                readTimeout,
                onFailure,
                retries,
                bandwidthBytesPerSecond,
                quietPeriod,
                leastPatience,
                mostPatience,
                USUAL_NEIGHBOUR_BYTES);
    }
}
