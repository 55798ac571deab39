package dev.thaw.operator.admission;

import dev.thaw.crds.LazyImage;
import dev.thaw.oci.Reference;
import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** Which LazyImage converts the image of a container. */
final class ImageMatch {
    private ImageMatch() {}

    /** Of several that do, one that is ready; of those the oldest. */
    static Optional<LazyImage> find(Collection<LazyImage> images, Reference wanted) {
        return images.stream()
                .filter(image -> converts(image, wanted))
                .min(Comparator.comparing((LazyImage image) -> !(Conversion.of(image) instanceof Conversion.Ready))
                        .thenComparing(
                                image -> Optional.ofNullable(image.getMetadata().getCreationTimestamp())
                                        .orElse(""))
                        .thenComparing(image -> image.getMetadata().getName()));
    }

    /** The reference that a text means; empty for what is no reference. */
    static Optional<Reference> parse(String image) {
        try {
            return Optional.of(Reference.parse(image));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private static boolean converts(LazyImage image, Reference wanted) {
        return parse(image.getSpec().image())
                .filter(source -> source.sameRepository(wanted) && samePlace(image, source, wanted))
                .isPresent();
    }

    /** By digest where the container names one, for then its tag means nothing; else by tag. */
    private static boolean samePlace(LazyImage image, Reference source, Reference wanted) {
        if (wanted.digest() == null) {
            return source.digest() == null
                    && wanted.tag() != null
                    && wanted.tag().equals(source.tag());
        }
        if (source.digest() != null) {
            return source.digest().equals(wanted.digest());
        }
        var status = image.getStatus();
        return status != null
                && status.source() != null
                && wanted.digest().toString().equals(status.source().digest());
    }
}
