package dev.thaw.agent.image;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.agent.cache.CacheSettings;
import dev.thaw.agent.fetch.FetchSettings;
import dev.thaw.agent.fetch.OnFailure;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whether a starting agent gives way to those who waited for it, and goes on in time. */
final class ReadersFirstTest {
    private static final Duration PAUSE = Duration.ofMillis(200);

    @TempDir
    Path temp;

    @Test
    void goesOnAsSoonAsNobodyWaits() throws Exception {
        var looks = new AtomicInteger();

        long took = takeOver(() -> looks.incrementAndGet() < 3, Duration.ofMinutes(1));

        assertThat(looks).hasValue(3);
        assertThat(took).isLessThan(Duration.ofSeconds(30).toNanos());
    }

    @Test
    void goesOnThoughSomebodyWaitsForWhatMayComeOnlyThen() throws Exception {
        assertThat(takeOver(() -> true, PAUSE)).isGreaterThanOrEqualTo(PAUSE.toNanos());
    }

    private long takeOver(BooleanSupplier waitedFor, Duration mostPause) throws Exception {
        try (var store = new ImageStore(
                temp.resolve("agent"),
                artifact -> Optional.empty(),
                entry -> {
                    throw new AssertionError("nothing is fetched");
                },
                LearnedTraces.NONE,
                new CacheSettings(temp.resolve("cache"), 1 << 20, 0.9, 0.8),
                new FetchSettings(1, 1 << 20, PAUSE, OnFailure.ERROR, 0, OptionalLong.empty(), PAUSE),
                new UnmountedImages(waitedFor),
                new SimpleMeterRegistry())) {
            long begun = System.nanoTime();
            store.takeOver(mostPause);
            return System.nanoTime() - begun;
        }
    }
}
