package dev.thaw.agent.image;

import dev.thaw.agent.fetch.BlobOrigin;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.SpanTable;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.ZipException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A gzip layer as if it were the tar that it holds: a range of the tar is decoded from the nearest checkpoint before it. */
final class LayerOrigin implements BlobOrigin {
    private static final Logger LOG = LoggerFactory.getLogger(LayerOrigin.class);

    private final BlobOrigin layer;
    private final SpanTable spans;

    LayerOrigin(BlobOrigin layer, SpanTable spans) {
        this.layer = layer;
        this.spans = spans;
    }

    @Override
    public InputStream range(long offset, long length, int way) throws IOException {
        try {
            var stretch = spans.stretch(offset, length);
            var stored = layer.range(stretch.storedOffset(), stretch.storedLength(), way);
            try {
                return new Tar(stored, spans.open(stretch, stored), stretch.skippedBytes(), length);
            } catch (IOException | CorruptImageException | RuntimeException e) {
                stored.close();
                throw e;
            }
        } catch (CorruptImageException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    @Override
    public void distrust(InputStream delivered) {
        if (delivered instanceof Tar tar) {
            layer.distrust(tar.stored);
        }
    }

    /**
     * Bytes of the tar. What cannot be decoded is delivered as zeros: whoever compares digests finds that it is wrong, and knows what
     * to do then.
     */
    private final class Tar extends InputStream {
        private final InputStream stored;
        private final InputStream decoded;
        private long skip;
        private long left;
        private boolean isBroken;

        Tar(InputStream stored, InputStream decoded, long skip, long length) {
            this.stored = stored;
            this.decoded = decoded;
            this.skip = skip;
            this.left = length;
        }

        @Override
        public int read() throws IOException {
            var one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int from, int length) throws IOException {
            if (left == 0) {
                return -1;
            }
            int most = (int) Math.min(length, left);
            int n = decode(into, from, most);
            if (n < 0) {
                java.util.Arrays.fill(into, from, from + most, (byte) 0);
                n = most;
            }
            left -= n;
            return n;
        }

        /** -1 if nothing more can be decoded. */
        private int decode(byte[] into, int from, int length) throws IOException {
            try {
                while (skip > 0 && !isBroken) {
                    int n = decoded.read(into, from, (int) Math.min(length, skip));
                    isBroken = n < 0;
                    skip -= Math.max(n, 0);
                }
                int n = isBroken ? -1 : decoded.read(into, from, length);
                isBroken |= n < 0;
                return n;
            } catch (ZipException e) {
                LOG.error("layer {} cannot be decoded: {}", spans.layer().id(), e.getMessage());
                isBroken = true;
                return -1;
            }
        }

        @Override
        public void close() throws IOException {
            try (stored;
                    decoded) {
                left = 0;
            }
        }
    }
}
