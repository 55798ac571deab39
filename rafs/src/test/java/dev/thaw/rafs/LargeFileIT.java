package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A file that does not fit into 32 bits. It takes seconds, so it is no unit test. */
class LargeFileIT {
    private static final long SIZE = (4L << 30) + 5;

    @TempDir
    Path directory;

    @Test
    void aFileOfMoreThanFourGibibytesIsCutAndFound() throws Exception {
        var like = Item.file("large", "").entry();
        var entry =
                new LayerEntry(like.path(), like.kind(), 0644, 0, 0, 0, 0, SIZE, like.linkTarget(), 0, 0, List.of());
        var boot = directory.resolve("boot");
        LayerBlob summary;
        try (var writer = new LayerBlobWriter(
                OutputStream.nullOutputStream(), new LayerOptions(16 << 20, Codec.ZSTD, DigestAlgorithm.SHA256, 1))) {
            writer.add(entry, new Repeated(SIZE));
            summary = writer.finish(boot);
        }

        assertThat(summary.contentBytes()).isEqualTo(SIZE);
        assertThat(summary.chunkCount()).isEqualTo(2);
        assertThat(summary.chunkUses()).isEqualTo(257);
        try (var bootstrap = Bootstrap.open(boot)) {
            BootstrapChecker.check(bootstrap);
            long nid = bootstrap.resolve("/large").orElseThrow();
            assertThat(bootstrap.inode(nid).sizeBytes()).isEqualTo(SIZE);
            assertThat(bootstrap.chunkCount(nid)).isEqualTo(257);
            assertThat(bootstrap.fileChunk(nid, 255)).isEqualTo(new FileChunk(0, 0, 0, 16 << 20));
            assertThat(bootstrap.fileChunk(nid, 256)).isEqualTo(new FileChunk(0, 1, 16 << 20, 5));
        }
    }

    /** The same byte over and over. */
    private static final class Repeated extends InputStream {
        private long left;

        Repeated(long length) {
            this.left = length;
        }

        @Override
        public int read() {
            return left-- > 0 ? 7 : -1;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) {
            if (left == 0) {
                return -1;
            }
            int n = (int) Math.min(left, length);
            Arrays.fill(buffer, offset, offset + n, (byte) 7);
            left -= n;
            return n;
        }
    }
}
