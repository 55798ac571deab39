package dev.thaw.operator.node;

import io.fabric8.kubernetes.api.model.HasMetadata;
import java.util.Comparator;

/** Names one LazyImage. */
public record ImageName(String namespace, String name) implements Comparable<ImageName> {
    private static final Comparator<ImageName> ORDER =
            Comparator.comparing(ImageName::namespace).thenComparing(ImageName::name);

    /** The name of that object. */
    public static ImageName of(HasMetadata object) {
        return new ImageName(
                object.getMetadata().getNamespace(), object.getMetadata().getName());
    }

    @Override
    public int compareTo(ImageName other) {
        return ORDER.compare(this, other);
    }

    @Override
    public String toString() {
        return namespace + "/" + name;
    }
}
