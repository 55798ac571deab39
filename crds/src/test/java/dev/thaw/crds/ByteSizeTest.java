package dev.thaw.crds;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ByteSizeTest {
    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "512, 512",
        "64Ki, 65536",
        "1Mi, 1048576",
        "50Gi, 53687091200",
        "1Ti, 1099511627776",
        "200M, 200000000",
        "1k, 1000"
    })
    void readsQuantities(String text, long bytes) {
        assertThat(ByteSize.parse(text).bytes()).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "Mi", "-1", "1.5Gi", "1 Gi", "1GiB", "1kb", "1e3", "1m"})
    void refusesAnythingElse(String text) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ByteSize.parse(text))
                .withMessageContaining("is not a size");
    }

    @Test
    void refusesWhatNoLongHolds() {
        assertThatExceptionOfType(ArithmeticException.class).isThrownBy(() -> ByteSize.parse("9000000Ti"));
        assertThatIllegalArgumentException().isThrownBy(() -> ByteSize.of(-1));
    }

    @RepeatedTest(50)
    void readsBackWhatItPrints(RepetitionInfo repetition) {
        var random = new SplittableRandom(repetition.getCurrentRepetition());
        var size = ByteSize.of(random.nextLong(1 << 20) << random.nextInt(0, 4) * 10);
        assertThat(ByteSize.parse(size.toString())).isEqualTo(size);
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "999, 999", "1536, 1.5Ki", "442381631488, 412Gi", "1319413953331, 1.2Ti"})
    void roundsForTheEye(long bytes, String expected) {
        assertThat(ByteSize.of(bytes).rounded()).isEqualTo(expected);
    }

    @Test
    void sortsBySize() {
        assertThat(ByteSize.parse("1Mi")).isLessThan(ByteSize.parse("2Mi"));
    }
}
