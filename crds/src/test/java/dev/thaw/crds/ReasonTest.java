package dev.thaw.crds;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ReasonTest {
    @ParameterizedTest
    @EnumSource
    void isOneWordAndOneSentence(Reason reason) {
        assertThat(reason.word()).matches("[A-Z][A-Za-z]*");
        assertThat(reason.sentence()).matches("[A-Za-z].*\\.").doesNotContain("  ");
        assertThat(Reason.of(reason.word())).isEqualTo(reason);
    }

    /** The converter's own list of reasons: each must have its counterpart here. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "SourceNotFound",
                "SourceUnauthorized",
                "TargetForbidden",
                "RegistryUnavailable",
                "UnsupportedMediaType",
                "CorruptLayer",
                "UnsafeLayer",
                "DiskFull",
                "VerificationFailed",
                "PlatformNotFound",
                "Internal"
            })
    void knowsWhatAConversionCanEndWith(String word) {
        assertThat(Reason.of(word).word()).isEqualTo(word);
    }

    @Test
    void aWordOfANewerVersionIsUnknown() {
        assertThat(Reason.of("FromTheFuture")).isEqualTo(Reason.UNKNOWN);
    }
}
