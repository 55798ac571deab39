package dev.thaw.oci;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import okhttp3.HttpUrl;

/**
 * Where blobs were last redirected to, so that each range does not ask the registry again. A target is forgotten when it
 * ends, when it fails, or when many others came after it.
 */
final class Redirects {
    private static final int MOST = 4_096;
    /** For a target that does not say when it ends. */
    private static final Duration UNSIGNED_LIFETIME = Duration.ofMinutes(2);

    private static final Duration LONGEST_LIFETIME = Duration.ofHours(1);
    /** So that none ends on its way. */
    private static final Duration MARGIN = Duration.ofSeconds(20);

    private static final DateTimeFormatter BASIC_DATE = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'");

    private final InstantSource clock;
    private final ReentrantLock lock = new ReentrantLock();
    private final LinkedHashMap<HttpUrl, Target> targets = new LinkedHashMap<>(64, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<HttpUrl, Target> eldest) {
            return size() > MOST;
        }
    };

    Redirects(InstantSource clock) {
        this.clock = clock;
    }

    private record Target(HttpUrl url, Instant end) {}

    /** Where the blob of this URL is to be had at present, if that is known. */
    Optional<HttpUrl> target(HttpUrl blob) {
        lock.lock();
        try {
            var target = targets.get(blob);
            if (target == null) {
                return Optional.empty();
            }
            if (!clock.instant().isBefore(target.end)) {
                targets.remove(blob);
                return Optional.empty();
            }
            return Optional.of(target.url);
        } finally {
            lock.unlock();
        }
    }

    void remember(HttpUrl blob, HttpUrl target) {
        var now = clock.instant();
        var latest = now.plus(LONGEST_LIFETIME);
        var end = end(target).map(signed -> signed.minus(MARGIN)).orElse(now.plus(UNSIGNED_LIFETIME));
        lock.lock();
        try {
            targets.put(blob, new Target(target, end.isBefore(latest) ? end : latest));
        } finally {
            lock.unlock();
        }
    }

    void forget(HttpUrl blob) {
        lock.lock();
        try {
            targets.remove(blob);
        } finally {
            lock.unlock();
        }
    }

    /**
     * When a signed URL ends, from the parameters that storage services put into it: {@code X-Amz-Date} with {@code
     * X-Amz-Expires} (S3), the same with {@code Goog} (GCS), {@code Expires} in seconds since 1970 (CloudFront, older GCS
     * and S3), {@code se} (Azure).
     */
    private static Optional<Instant> end(HttpUrl url) {
        try {
            for (var service : new String[] {"X-Amz-", "X-Goog-"}) {
                var from = url.queryParameter(service + "Date");
                var seconds = url.queryParameter(service + "Expires");
                if (from != null && seconds != null) {
                    return Optional.of(LocalDateTime.parse(from, BASIC_DATE)
                            .toInstant(ZoneOffset.UTC)
                            .plusSeconds(Long.parseLong(seconds)));
                }
            }
            var epoch = url.queryParameter("Expires");
            if (epoch != null) {
                return Optional.of(Instant.ofEpochSecond(Long.parseLong(epoch)));
            }
            var azure = url.queryParameter("se");
            return azure == null
                    ? Optional.empty()
                    : Optional.of(OffsetDateTime.parse(azure).toInstant());
        } catch (DateTimeException | NumberFormatException | ArithmeticException notTheirs) {
            return Optional.empty();
        }
    }
}
