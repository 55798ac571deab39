package dev.thaw.operator.registry;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.LazyImageSpec;
import org.junit.jupiter.api.Test;

class TargetReferenceTest {
    @Test
    void standsBesideTheSourceByDefault() {
        assertThat(target("nginx:1.27", null)).isEqualTo("docker.io/library/nginx:1.27-thaw");
        assertThat(target("nginx", null)).isEqualTo("docker.io/library/nginx:latest-thaw");
    }

    @Test
    void goesWhereTheSpecSays() {
        assertThat(target("nginx:1.27", new LazyImageSpec.Target("registry.local:5000/lazy/nginx", "stable")))
                .isEqualTo("registry.local:5000/lazy/nginx:stable");
        assertThat(target("nginx:1.27", new LazyImageSpec.Target("registry.local:5000/lazy/nginx", null)))
                .isEqualTo("registry.local:5000/lazy/nginx:1.27-thaw");
    }

    @Test
    void takesDigitsOfTheDigestWhereThereIsNoTag() {
        assertThat(target("ghcr.io/team/app@sha256:" + "a".repeat(64), null))
                .isEqualTo("ghcr.io/team/app:sha256-aaaaaaaaaaaa-thaw");
    }

    @Test
    void neverMakesATagThatIsTooLong() {
        assertThat(target("ghcr.io/team/app:" + "v".repeat(128), null))
                .isEqualTo("ghcr.io/team/app:" + "v".repeat(123) + "-thaw");
    }

    private static String target(String image, LazyImageSpec.Target target) {
        return TargetReference.of(LazyImageSpec.builder(image).target(target).build())
                .toString();
    }
}
