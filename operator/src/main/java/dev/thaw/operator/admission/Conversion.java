package dev.thaw.operator.admission;

import dev.thaw.crds.ConditionType;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.Reason;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;

/** What a LazyImage has to give to a pod. */
sealed interface Conversion {
    /**
     * A pod may be given the lazy image.
     *
     * @param image reference by digest
     */
    record Ready(String image) implements Conversion {}

    /** It is being worked on. */
    record Pending() implements Conversion {}

    /** Nothing will come of it unless somebody acts, or a later try succeeds. */
    record Failed(Reason reason) implements Conversion {}

    /** Reasons for not being ready that end by themselves. */
    Set<Reason> UNDER_WAY = EnumSet.of(
            Reason.RESOLVING,
            Reason.RESOLVED,
            Reason.PINNED,
            Reason.QUEUED,
            Reason.CONVERTING,
            Reason.CONVERTED,
            Reason.ALREADY_PUBLISHED,
            Reason.VERIFYING,
            Reason.VERIFIED,
            Reason.VERIFICATION_OFF,
            Reason.UNKNOWN);

    static Conversion of(LazyImage image) {
        var status = image.getStatus() == null ? LazyImageStatus.EMPTY : image.getStatus();
        boolean current =
                Objects.equals(status.observedGeneration(), image.getMetadata().getGeneration());
        var ready = status.condition(ConditionType.READY);
        // a status of an earlier spec may speak of another source image
        if (image.getMetadata().getDeletionTimestamp() != null) {
            return new Failed(Reason.DELETING);
        }
        if (current
                && status.lazyImage() != null
                && ready.filter(condition -> condition.holds()).isPresent()) {
            return new Ready(status.lazyImage());
        }
        if (image.getSpec().suspend()) {
            return new Failed(Reason.SUSPENDED);
        }
        return ready.filter(condition -> current && !condition.holds())
                .map(condition -> condition.reason())
                .filter(reason -> !UNDER_WAY.contains(reason))
                .<Conversion>map(Failed::new)
                .orElseGet(Pending::new);
    }
}
