package dev.thaw.converter.publish;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.converter.tar.TarReader;
import dev.thaw.oci.Digest;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

class MarkerTest {
    private static final Digest ARTIFACT = Digest.sha256("artifact".getBytes(StandardCharsets.US_ASCII));

    private static byte[] tar(Marker marker) throws Exception {
        try (var gzip = new GZIPInputStream(new ByteArrayInputStream(marker.gzip()))) {
            return gzip.readAllBytes();
        }
    }

    @Test
    void isSmallerThan200BytesAndAlwaysTheSame() {
        var marker = Marker.of(ARTIFACT);

        assertThat(marker.gzip()).hasSizeLessThan(200);
        assertThat(marker.gzip()).isEqualTo(Marker.of(ARTIFACT).gzip());
        assertThat(marker.gzip()).startsWith(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
        assertThat(marker.descriptor().digest()).isEqualTo(Digest.sha256(marker.gzip()));
    }

    @Test
    void unpacksToATarWithoutAnyFile() throws Exception {
        var tar = tar(Marker.of(ARTIFACT));

        assertThat(Marker.of(ARTIFACT).diffId()).isEqualTo(Digest.sha256(tar));
        assertThat(new TarReader(new ByteArrayInputStream(tar)).next()).isNull();
    }

    @Test
    void namesTheArtifactInItsHeader() throws Exception {
        assertThat(new String(tar(Marker.of(ARTIFACT)), StandardCharsets.US_ASCII))
                .contains(" thaw.dev.conversion=" + ARTIFACT + "\n");
    }

    @Test
    void isAnotherForEachArtifact() {
        assertThat(Marker.of(ARTIFACT).diffId())
                .isNotEqualTo(Marker.of(Digest.sha256(new byte[] {1})).diffId());
    }
}
