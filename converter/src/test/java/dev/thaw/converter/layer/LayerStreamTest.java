package dev.thaw.converter.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.Zstd;
import dev.thaw.converter.layer.LayerStream.Promise;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.oci.Digest;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;

class LayerStreamTest {
    private static final byte[] CONTENT = new byte[3_000_000];

    static {
        new Random(3).nextBytes(CONTENT);
        Arrays.fill(CONTENT, 1_000_000, 2_000_000, (byte) 7);
    }

    private static byte[] gzip(byte[] content, int from, int to) {
        var out = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(out)) {
            gzip.write(content, from, to - from);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return out.toByteArray();
    }

    private static byte[] join(byte[]... parts) {
        var out = new ByteArrayOutputStream();
        for (var part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    private static Promise promise(byte[] stored, byte[] content) {
        return new Promise(
                Digest.sha256(stored).toString(),
                stored.length,
                Digest.sha256(content).toString());
    }

    private static byte[] read(byte[] stored, Promise promise) throws IOException {
        try (var stream = new LayerStream(new ByteArrayInputStream(stored), promise)) {
            try {
                var content = stream.content().readAllBytes();
                stream.finish();
                assertThat(stream.compressedBytes()).isEqualTo(stored.length);
                assertThat(stream.uncompressedBytes()).isEqualTo(content.length);
                return content;
            } catch (IOException e) {
                throw stream.explain(e);
            }
        }
    }

    private static void assertCorrupt(byte[] stored, Promise promise, String message) {
        assertThatThrownBy(() -> read(stored, promise))
                .isInstanceOfSatisfying(
                        ConversionException.class, e -> assertThat(e.reason()).isEqualTo(FailureReason.CorruptLayer))
                .hasMessageContaining(promise.digest())
                .hasMessageContaining(message);
    }

    @Test
    void readsGzipOfOneAndOfManyMembers() throws IOException {
        var one = gzip(CONTENT, 0, CONTENT.length);
        var many = join(gzip(CONTENT, 0, 10), gzip(CONTENT, 10, 10), gzip(CONTENT, 10, CONTENT.length));

        assertThat(read(one, promise(one, CONTENT))).isEqualTo(CONTENT);
        assertThat(read(many, promise(many, CONTENT))).isEqualTo(CONTENT);
    }

    @Test
    void readsZstdOfOneAndOfManyFrames() throws IOException {
        var one = Zstd.compress(CONTENT);
        var skippable = new byte[] {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3};
        var many = join(
                skippable,
                Zstd.compress(Arrays.copyOf(CONTENT, 500)),
                skippable,
                Zstd.compress(Arrays.copyOfRange(CONTENT, 500, CONTENT.length)));

        assertThat(read(one, promise(one, CONTENT))).isEqualTo(CONTENT);
        assertThat(read(many, promise(many, CONTENT))).isEqualTo(CONTENT);
    }

    @Test
    void readsPlainBytesAndNoBytesAtAll() throws IOException {
        assertThat(read(CONTENT, promise(CONTENT, CONTENT))).isEqualTo(CONTENT);
        var nothing = new byte[0];
        assertThat(read(nothing, promise(nothing, nothing))).isEmpty();
    }

    @Test
    void knowsATruncatedOrDamagedStream() {
        var gzip = gzip(CONTENT, 0, CONTENT.length);
        var zstd = Zstd.compress(CONTENT);
        var cutGzip = Arrays.copyOf(gzip, gzip.length / 2);
        var cutZstd = Arrays.copyOf(zstd, zstd.length / 2);
        var damaged = gzip.clone();
        damaged[gzip.length - 6] ^= 1; // in the CRC of the trailer
        var trailing = join(gzip, "garbage behind the end".getBytes(java.nio.charset.StandardCharsets.US_ASCII));

        assertCorrupt(cutGzip, promise(cutGzip, CONTENT), "cannot be unpacked");
        assertCorrupt(cutZstd, promise(cutZstd, CONTENT), "cannot be unpacked");
        assertCorrupt(damaged, promise(damaged, CONTENT), "cannot be unpacked");
        assertCorrupt(trailing, promise(trailing, CONTENT), "");
    }

    @Test
    void comparesBothDigestsAndTheSize() {
        var stored = gzip(CONTENT, 0, CONTENT.length);
        var good = promise(stored, CONTENT);
        var other = Digest.sha256(new byte[] {1}).toString();

        assertCorrupt(stored, new Promise(other, good.sizeBytes(), good.diffId()), "has the digest");
        assertCorrupt(stored, new Promise(good.digest(), good.sizeBytes(), other), "configuration says " + other);
        assertCorrupt(stored, new Promise(good.digest(), 5, good.diffId()), "manifest says 5");
    }

    @Test
    void leavesAFailureOfTheSourceAsItIs() {
        var stored = gzip(CONTENT, 0, CONTENT.length);
        var broken = new InputStream() {
            private int position;

            @Override
            public int read() throws IOException {
                if (position == 50_000) {
                    throw new ConversionException(FailureReason.RegistryUnavailable, "the line is dead");
                }
                return stored[position++] & 0xff;
            }
        };

        assertThatThrownBy(() -> {
                    try (var stream = new LayerStream(broken, promise(stored, CONTENT))) {
                        try {
                            stream.content().readAllBytes();
                        } catch (IOException e) {
                            throw stream.explain(e);
                        }
                    }
                })
                .isInstanceOfSatisfying(
                        ConversionException.class,
                        e -> assertThat(e.reason()).isEqualTo(FailureReason.RegistryUnavailable));
    }

    @Test
    void closingInTheMiddleEndsTheReader() throws IOException {
        var stored = gzip(CONTENT, 0, CONTENT.length);
        var stream = new LayerStream(new ByteArrayInputStream(stored), promise(stored, CONTENT));
        assertThat(stream.content().readNBytes(100)).hasSize(100);

        stream.close();

        assertThat(stream.compressedBytes()).isLessThanOrEqualTo(stored.length);
    }
}
