package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One thing that can be said of a resource, in the form that Kubernetes' own tools read. */
@ResourcePart
public record Condition(
        @Required @JsonPropertyDescription("What the condition speaks of.")
        ConditionType type,

        @Required @JsonPropertyDescription("True, False or Unknown.")
        ConditionStatus status,

        @Required @JsonPropertyDescription("Why, in one word of a closed list.")
        Reason reason,

        @JsonPropertyDescription("Why, for a person.") @Nullable String message,

        @JsonPropertyDescription("When the status last changed.") @Nullable String lastTransitionTime,

        @JsonPropertyDescription("Generation of the spec that was looked at.") @Nullable Long observedGeneration) {

    /** A condition whose message is the reason's own sentence. */
    public static Condition of(ConditionType type, ConditionStatus status, Reason reason) {
        return of(type, status, reason, reason.sentence());
    }

    /** A condition with a message of its own. Generation and time are filled in by {@link #merge}. */
    public static Condition of(ConditionType type, ConditionStatus status, Reason reason, String message) {
        return new Condition(type, status, reason, message, null, null);
    }

    /** Whether it holds. */
    public boolean holds() {
        return status == ConditionStatus.TRUE;
    }

    /** The condition of that type, if there is one. */
    public static Optional<Condition> find(List<Condition> conditions, ConditionType type) {
        return conditions.stream().filter(condition -> condition.type == type).findFirst();
    }

    /**
     * The conditions that a status should hold: those before, with each of {@code now} taking the place of the one of its
     * type, in the order of {@link ConditionType}. The time of transition is kept while the status stays the same, so that
     * merging the same twice changes nothing.
     *
     * @param generation generation of the spec that {@code now} speaks of
     * @param time when {@code now} was seen
     */
    public static List<Condition> merge(
            List<Condition> before, List<Condition> now, @Nullable Long generation, Instant time) {
        var merged = new ArrayList<Condition>();
        for (var old : before) {
            if (find(now, old.type).isEmpty()) {
                merged.add(old);
            }
        }
        for (var next : now) {
            var since = find(before, next.type)
                    .filter(old -> old.status == next.status)
                    .map(Condition::lastTransitionTime)
                    .orElseGet(() -> time.truncatedTo(ChronoUnit.SECONDS).toString());
            merged.add(new Condition(next.type, next.status, next.reason, next.message, since, generation));
        }
        merged.sort(Comparator.comparing(Condition::type));
        return List.copyOf(merged);
    }
}
