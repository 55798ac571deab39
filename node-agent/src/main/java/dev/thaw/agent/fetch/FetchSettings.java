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
 */
public record FetchSettings(
        int parallelism,
        long rangeBytes,
        Duration readTimeout,
        OnFailure onFailure,
        int retries,
        OptionalLong bandwidthBytesPerSecond,
        Duration quietPeriod) {
    public static final FetchSettings DEFAULT = new FetchSettings(
            16, 8 << 20, Duration.ofMinutes(5), OnFailure.BLOCK, 5, OptionalLong.empty(), Duration.ofSeconds(10));

    public FetchSettings {
        if (parallelism < 1 || rangeBytes < 1) {
            throw new IllegalArgumentException("fetching needs parallelism and rangeBytes of at least 1");
        }
    }
}
