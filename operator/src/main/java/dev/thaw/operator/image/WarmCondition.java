package dev.thaw.operator.image;

import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionStatus;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.Reason;
import dev.thaw.operator.node.Warmth;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The condition {@code Warm}: how far nodes are with what {@code spec.warmup} asks for. */
final class WarmCondition {
    private WarmCondition() {}

    /**
     * What is to be said anew.
     *
     * @param warmth null while nothing is known: then what was said before stands
     */
    static Optional<Condition> of(LazyImage image, @Nullable Warmth warmth, LazyImageStatus before) {
        if (image.getSpec().warmup() == null) {
            return Optional.empty();
        }
        if (warmth == null) {
            return before.condition(ConditionType.WARM).isPresent()
                    ? Optional.empty()
                    : said(ConditionStatus.FALSE, Reason.WARMING, "It is not known yet what nodes hold.");
        }
        if (warmth.eligible() == 0) {
            return said(ConditionStatus.FALSE, Reason.NO_ELIGIBLE_NODE, Reason.NO_ELIGIBLE_NODE.sentence());
        }
        var progress = "%d of %d nodes hold %s.".formatted(warmth.warm(), warmth.eligible(), what(warmth));
        if (warmth.warm() == warmth.eligible()) {
            return said(ConditionStatus.TRUE, Reason.WARMED, progress);
        }
        if (warmth.failing() > 0) {
            return said(
                    ConditionStatus.FALSE,
                    Reason.WARMUP_FAILING,
                    "%s %d cannot fetch it and go on trying. %s"
                            .formatted(progress, warmth.failing(), warmth.failure()));
        }
        return said(ConditionStatus.FALSE, Reason.WARMING, progress);
    }

    private static String what(Warmth warmth) {
        return switch (warmth.wanted()) {
            case NONE -> "nothing";
            case METADATA -> "the file tree";
            case ENTRYPOINT -> "what the entrypoint cannot do without, since no start of the image is known yet";
            case TRACE -> "what starts read";
            case FULL -> "the whole image";
        };
    }

    private static Optional<Condition> said(ConditionStatus status, Reason reason, String message) {
        return Optional.of(Condition.of(ConditionType.WARM, status, reason, message));
    }

    /** Whether nothing is to be said anew. */
    static boolean isSaid(LazyImage image, @Nullable Warmth warmth, LazyImageStatus status) {
        var said = status.condition(ConditionType.WARM);
        return of(image, warmth, status)
                .map(now -> said.filter(before -> before.status() == now.status()
                                && before.reason() == now.reason()
                                && Objects.equals(before.message(), now.message()))
                        .isPresent())
                .orElse(true);
    }
}
