package dev.thaw.operator.node;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.LazyImageStatus.PlatformImage;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.util.List;

/** Lazy images for tests. */
final class LazyImages {
    private LazyImages() {}

    /** A digest made of one digit. */
    static String digest(char digit) {
        return "sha256:" + String.valueOf(digit).repeat(64);
    }

    /** One that is published as {@code registry.example/team/app} with index {@code index} and artifact {@code artifact}. */
    static LazyImage published(String namespace, String name, char index, char artifact) {
        var image = unpublished(namespace, name);
        image.setStatus(LazyImageStatus.builder()
                .lazyImage("registry.example/team/app@" + digest(index))
                .platforms(List.of(platform(artifact)))
                .build());
        return image;
    }

    static LazyImage unpublished(String namespace, String name) {
        var image = new LazyImage();
        image.setMetadata(new ObjectMetaBuilder()
                .withNamespace(namespace)
                .withName(name)
                .withUid(namespace + "-" + name)
                .withGeneration(1L)
                .build());
        image.setSpec(LazyImageSpec.of("registry.example/team/app:1"));
        return image;
    }

    static PlatformImage platform(char artifact) {
        return new PlatformImage(
                "linux/amd64", digest('e'), digest('f'), digest(artifact), 1, 0, 1, 1, 1, 1, 1, 0, 1, 1);
    }
}
