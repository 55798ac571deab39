package dev.thaw.agent.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class BootstrapLayerTest {
    @TempDir
    Path directory;

    @Test
    void writesTheBootstrapAndReadsTheLayerToItsEnd() throws IOException {
        var content = SampleImage.random(1, 10_001);
        var layer = new ByteArrayInputStream(SampleImage.tarGz(content));
        var file = directory.resolve("boot");

        BootstrapLayer.extract(layer, file);

        assertThat(Files.readAllBytes(file)).isEqualTo(content);
        assertThat(layer.available()).isZero();
    }

    @Test
    void aLayerThatEndsEarlyIsRefused() throws IOException {
        var packed = SampleImage.tarGz(SampleImage.random(1, 10_001));
        var layer = new ByteArrayInputStream(Arrays.copyOf(packed, packed.length / 2));

        assertThatThrownBy(() -> BootstrapLayer.extract(layer, directory.resolve("boot")))
                .isInstanceOf(IOException.class);
    }

    @Test
    void aLayerWithoutABootstrapIsRefused() throws IOException {
        var packed = new ByteArrayOutputStream();
        try (var out = new GZIPOutputStream(packed)) {
            out.write(new byte[1024]);
        }

        assertThatThrownBy(() -> BootstrapLayer.extract(
                        new ByteArrayInputStream(packed.toByteArray()), directory.resolve("boot")))
                .hasMessageContaining("image/image.boot");
    }
}
