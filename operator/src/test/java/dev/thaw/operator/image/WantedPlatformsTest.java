package dev.thaw.operator.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.thaw.oci.Digest;
import dev.thaw.oci.Platform;
import dev.thaw.operator.registry.SourceImage;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class WantedPlatformsTest {
    private static final SourceImage SOURCE = source("linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7");
    private static final Platform AMD64 = new Platform("linux", "amd64");
    private static final Platform ARM64 = new Platform("linux", "arm64");

    @Test
    void convertsForTheNodesThatTheClusterHas() {
        assertThat(WantedPlatforms.of(SOURCE, List.of(), List.of(AMD64, AMD64, ARM64), List.of()))
                .containsExactly("linux/amd64", "linux/arm64");
    }

    @Test
    void takesEveryVariantOfAnArchitectureWhoseNodesDoNotNameTheirs() {
        assertThat(WantedPlatforms.of(SOURCE, List.of(), List.of(new Platform("linux", "arm")), List.of()))
                .containsExactly("linux/arm/v6", "linux/arm/v7");
    }

    @Test
    void keepsWhatIsConvertedWhenTheLastNodeOfAKindLeaves() {
        assertThat(WantedPlatforms.of(SOURCE, List.of(), List.of(AMD64), List.of("linux/amd64", "linux/arm64")))
                .containsExactly("linux/amd64", "linux/arm64");
    }

    @Test
    void takesThePlatformsThatTheSpecNamesAndNoOther() {
        assertThat(WantedPlatforms.of(SOURCE, List.of("linux/aarch64"), List.of(AMD64), List.of("linux/amd64")))
                .containsExactly("linux/arm64");
    }

    @Test
    void namesNoPlatformForASourceThatHasButOne() {
        assertThat(WantedPlatforms.of(source(), List.of(), List.of(ARM64), List.of()))
                .isEmpty();
    }

    @Test
    void saysWhatIsOfferedAndWhatIsWantedWhenNothingFits() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> WantedPlatforms.of(source("windows/amd64"), List.of(), List.of(AMD64), List.of()))
                .withMessageContaining("windows/amd64")
                .withMessageContaining("linux/amd64");
    }

    private static SourceImage source(String... platforms) {
        return new SourceImage(
                Digest.sha256(new byte[0]),
                "application/vnd.oci.image.index.v1+json",
                Stream.of(platforms).map(Platform::parse).toList());
    }
}
