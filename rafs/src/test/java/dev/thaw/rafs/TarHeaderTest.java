package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TarHeaderTest {
    @ParameterizedTest
    @ValueSource(longs = {0, 1, 511, (1L << 33) - 1, 1L << 33, (1L << 40) - 1})
    void readsAnySizeThatABlobCanHave(long size) throws Exception {
        byte[] bytes = bytes(new TarHeader("image.blob", size));

        assertThat(TarHeader.read(image(bytes), 0)).isEqualTo(new TarHeader("image.blob", size));
    }

    @Test
    void hasTheFieldsThatOtherReadersInsistOn() throws Exception {
        byte[] bytes = bytes(new TarHeader("image.boot", 01234));

        assertThat(new String(bytes, 148, 8, StandardCharsets.US_ASCII)).matches("[0-7]{7}\0");

        assertThat(new String(bytes, 124, 12, StandardCharsets.US_ASCII)).isEqualTo("00000001234\0");
        assertThat(new String(bytes, 136, 12, StandardCharsets.US_ASCII)).isEqualTo("00000000000\0");
        assertThat(new String(bytes, 156, 1, StandardCharsets.US_ASCII)).isEqualTo("0");
        assertThat(new String(bytes, 257, 8, StandardCharsets.US_ASCII)).isEqualTo("ustar  \0");
    }

    @Test
    void noticesAFlippedBit() throws Exception {
        byte[] bytes = bytes(new TarHeader("image.boot", 7));
        bytes[3] ^= 1;

        assertThatThrownBy(() -> TarHeader.read(image(bytes), 0))
                .isInstanceOf(CorruptImageException.class)
                .hasMessageContaining("checksum");
    }

    private static Image image(byte[] bytes) {
        return new Image(MemorySegment.ofArray(bytes), "header");
    }

    private static byte[] bytes(TarHeader header) throws Exception {
        var out = new ByteArrayOutputStream();
        var writer = new ImageWriter(out);
        header.write(writer);
        writer.flush();
        return out.toByteArray();
    }
}
