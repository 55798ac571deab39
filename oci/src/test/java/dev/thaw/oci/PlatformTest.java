package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PlatformTest {
    @ParameterizedTest
    @CsvSource({
        "linux/amd64, linux/amd64",
        "Linux/x86_64, linux/amd64",
        "linux/amd64/v1, linux/amd64",
        "linux/amd64/v3, linux/amd64/v3",
        "linux/aarch64, linux/arm64",
        "linux/arm64/v8, linux/arm64",
        "linux/arm, linux/arm/v7",
        "linux/arm/v6, linux/arm/v6",
        "linux/armhf, linux/arm/v7",
    })
    void hasOneSpelling(String text, String spelling) {
        assertThat(Platform.parse(text)).hasToString(spelling);
    }

    @Test
    void matchesOtherSpellingsOfItself() {
        assertThat(new Platform("linux", "arm64", "v8", null, java.util.List.of())
                        .matches(new Platform("linux", "aarch64")))
                .isTrue();
        assertThat(new Platform("linux", "amd64").matches(new Platform("linux", "arm64")))
                .isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "linux", "linux/", "/amd64", "linux/arm/v7/x"})
    void refusesWhatIsNoPlatform(String text) {
        assertThatThrownBy(() -> Platform.parse(text)).isInstanceOf(IllegalArgumentException.class);
    }
}
