package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Two percentiles of a set of durations, printed as {@link Durations} does. */
@ResourcePart
public record Latency(
        @JsonPropertyDescription("Half of the samples took no longer.") @Nullable String p50,

        @JsonPropertyDescription("Nineteen of twenty samples took no longer.") @Nullable String p95) {

    /** The percentiles (nearest rank) of the samples; empty without a sample. */
    public static Optional<Latency> of(Collection<Duration> samples) {
        if (samples.isEmpty()) {
            return Optional.empty();
        }
        var sorted = samples.toArray(Duration[]::new);
        Arrays.sort(sorted);
        return Optional.of(new Latency(Durations.print(rank(sorted, 50)), Durations.print(rank(sorted, 95))));
    }

    private static Duration rank(Duration[] sorted, int percent) {
        return sorted[(sorted.length * percent + 99) / 100 - 1];
    }
}
