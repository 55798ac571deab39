package dev.thaw.operator.image;

import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionStatus;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.LazyImageStatus.Conversion;
import dev.thaw.crds.Reason;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Something that a person who describes the LazyImage should read.
 *
 * @param warning it needs attention
 * @param reason one word
 * @param action what the operator was doing, one word
 * @param note a sentence
 */
record Happening(boolean warning, Kind reason, String action, String note) {
    /** The reasons of events on a LazyImage. */
    enum Kind {
        RESOLVED("Resolved"),
        CONVERSION_STARTED("ConversionStarted"),
        CONVERSION_SUCCEEDED("ConversionSucceeded"),
        CONVERSION_FAILED("ConversionFailed"),
        VERIFICATION_FAILED("VerificationFailed"),
        PUBLISHED("Published"),
        COLD_START_MEASURED("ColdStartMeasured"),
        SLO_VIOLATED("SLOViolated"),
        DELETION_FAILED("DeletionFailed");

        private final String word;

        Kind(String word) {
            this.word = word;
        }

        String word() {
            return word;
        }
    }

    /** What has happened between two statuses. */
    static List<Happening> between(LazyImageStatus before, LazyImageStatus after) {
        var happened = new ArrayList<Happening>();
        var source = after.source();
        if (source != null
                && (before.source() == null || !before.source().digest().equals(source.digest()))) {
            happened.add(normal(Kind.RESOLVED, "Resolve", message(after, ConditionType.RESOLVED)));
        }
        conversion(before, after).ifPresent(happened::add);
        if (after.lazyImage() != null && !after.lazyImage().equals(before.lazyImage())) {
            happened.add(normal(Kind.PUBLISHED, "Publish", "Published " + after.lazyImage() + "."));
        }
        var starts = after.coldStart();
        if (starts != null
                && starts.entrypoint() != null
                && (before.coldStart() == null
                        || !Objects.equals(before.coldStart().lastTime(), starts.lastTime()))) {
            happened.add(normal(
                    Kind.COLD_START_MEASURED,
                    "Measure",
                    "Time to entrypoint: half of " + starts.samples() + " cold starts took no longer than "
                            + starts.entrypoint().p50() + "."));
        }
        if (turned(before, after, ConditionType.SLO_MET, ConditionStatus.FALSE)) {
            happened.add(warning(Kind.SLO_VIOLATED, "Measure", message(after, ConditionType.SLO_MET)));
        }
        return happened;
    }

    private static Optional<Happening> conversion(LazyImageStatus before, LazyImageStatus after) {
        var now = after.conversion();
        if (now == null) {
            return Optional.empty();
        }
        boolean ended = now.completionTime() != null;
        boolean other = !sameTry(before.conversion(), now);
        if (!ended) {
            return other
                    ? Optional.of(normal(
                            Kind.CONVERSION_STARTED,
                            "Convert",
                            "Job " + now.job() + " converts " + now.sourceDigest() + "."))
                    : Optional.empty();
        }
        var converted = after.condition(ConditionType.CONVERTED);
        boolean news = other
                || Optional.ofNullable(before.conversion())
                        .map(Conversion::completionTime)
                        .isEmpty();
        if (!news || converted.isEmpty()) {
            return Optional.empty();
        }
        if (converted.get().holds()) {
            var took = after.artifact() == null ? null : after.artifact().duration();
            return Optional.of(normal(
                    Kind.CONVERSION_SUCCEEDED, "Convert", "Converted" + (took == null ? "." : " in " + took + ".")));
        }
        var reason = converted.get().reason();
        return Optional.of(warning(
                reason == Reason.VERIFICATION_FAILED ? Kind.VERIFICATION_FAILED : Kind.CONVERSION_FAILED,
                "Convert",
                reason + ": " + message(after, ConditionType.CONVERTED)));
    }

    private static boolean sameTry(@Nullable Conversion before, Conversion after) {
        return before != null && Objects.equals(before.job(), after.job());
    }

    private static boolean turned(
            LazyImageStatus before, LazyImageStatus after, ConditionType type, ConditionStatus to) {
        return after.condition(type)
                        .filter(condition -> condition.status() == to)
                        .isPresent()
                && before.condition(type)
                        .filter(condition -> condition.status() == to)
                        .isEmpty();
    }

    private static String message(LazyImageStatus status, ConditionType type) {
        return status.condition(type).map(Condition::message).orElse("");
    }

    static Happening normal(Kind reason, String action, String note) {
        return new Happening(false, reason, action, note);
    }

    static Happening warning(Kind reason, String action, String note) {
        return new Happening(true, reason, action, note);
    }
}
