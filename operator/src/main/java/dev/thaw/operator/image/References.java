package dev.thaw.operator.image;

import dev.thaw.crds.LazyImage;
import dev.thaw.oci.Reference;

/** The name of a source as conversions are remembered by it. */
final class References {
    private References() {}

    /** {@code spec.image} in full, {@code docker.io/library/nginx:latest} for {@code nginx}; as written where it cannot be read. */
    static String nameOf(LazyImage image) {
        try {
            return Reference.parse(image.getSpec().image()).toString();
        } catch (IllegalArgumentException e) {
            return image.getSpec().image();
        }
    }
}
