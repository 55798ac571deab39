package dev.thaw.operator.image;

import dev.thaw.operator.conversion.Failure;
import dev.thaw.operator.registry.SourceImage;
import java.time.Duration;
import java.util.Optional;

/** What the newest look at a source reference gave. */
sealed interface Look {
    /** When to look again; empty for never. */
    Optional<Duration> again();

    /** The reference points to an image. */
    record Found(SourceImage image, Optional<Duration> again) implements Look {}

    /** It could not be looked up. */
    record Missing(Failure failure, Optional<Duration> again) implements Look {}
}
