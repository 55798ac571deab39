package dev.thaw.rafs.zstd;

import com.github.luben.zstd.ZstdIOException;
import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.ZipException;

/**
 * Decodes zstd frames from the beginning of one on, into those that follow. What it returns is unchecked, as that of {@link
 * dev.thaw.rafs.gzip.ResumedGzip}, and what cannot be decoded it tells in the same way.
 */
public final class ResumedZstd extends FilterInputStream {
    /** @param stored the stream's bytes from a frame's beginning on; closed with this */
    public ResumedZstd(InputStream stored) throws IOException {
        super(new ZstdInputStreamNoFinalizer(stored));
    }

    @Override
    public int read() throws IOException {
        var one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] into, int from, int length) throws IOException {
        try {
            return super.read(into, from, length);
        } catch (ZstdIOException e) {
            var corrupt = new ZipException("zstd: " + e.getMessage());
            corrupt.initCause(e);
            throw corrupt;
        }
    }

    @Override
    public long skip(long bytes) throws IOException {
        long left = bytes;
        var passed = new byte[(int) Math.clamp(bytes, 0, 64 << 10)];
        while (left > 0) {
            int n = read(passed, 0, (int) Math.min(passed.length, left));
            if (n < 0) {
                break;
            }
            left -= n;
        }
        return bytes - Math.max(left, 0);
    }
}
