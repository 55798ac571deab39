package dev.thaw.agent.image;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.GZIPInputStream;

/**
 * The last layer of an artifact: a gzipped tar that holds {@code image/image.boot}. Only as much of tar is read as finding
 * one file needs: name, size and type of each header (POSIX ustar), sizes in octal or in GNU's base-256.
 */
final class BootstrapLayer {
    static final String FILE = "image/image.boot";
    /** Far above any real one; a guard against a layer that is made to fill the disk. */
    static final long LARGEST_BYTES = 2L << 30;

    private static final int BLOCK = 512;
    private static final int SIZE_AT = 124;
    private static final int TYPE_AT = 156;

    private BootstrapLayer() {}

    /**
     * Writes the bootstrap to a file. Reads the layer to its end, so that whoever checks
     * its digest sees all of it.
     */
    static void extract(InputStream layer, Path file) throws IOException {
        boolean found = false;
        try (var tar = new GZIPInputStream(layer, 64 << 10)) {
            var header = new byte[BLOCK];
            while (tar.readNBytes(header, 0, BLOCK) == BLOCK && header[0] != 0) {
                long size = size(header);
                boolean regular = header[TYPE_AT] == '0' || header[TYPE_AT] == 0;
                if (!found && regular && name(header).equals(FILE)) {
                    if (size > LARGEST_BYTES) {
                        throw new IOException("a bootstrap of %d bytes is more than is believable".formatted(size));
                    }
                    copy(tar, size, file);
                    found = true;
                } else {
                    tar.skipNBytes(size);
                }
                tar.skipNBytes(-size & (BLOCK - 1));
            }
            tar.skip(Long.MAX_VALUE);
        }
        layer.skip(Long.MAX_VALUE);
        if (!found) {
            throw new IOException("the bootstrap layer holds no " + FILE);
        }
    }

    private static void copy(InputStream from, long size, Path file) throws IOException {
        try (var out = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            var buffer = new byte[64 << 10];
            long left = size;
            while (left > 0) {
                int n = from.read(buffer, 0, (int) Math.min(buffer.length, left));
                if (n < 0) {
                    throw new EOFException("the bootstrap layer ends %d bytes early".formatted(left));
                }
                var written = ByteBuffer.wrap(buffer, 0, n);
                while (written.hasRemaining()) {
                    out.write(written);
                }
                left -= n;
            }
        }
    }

    private static String name(byte[] header) {
        int end = 0;
        while (end < 100 && header[end] != 0) {
            end++;
        }
        var name = new String(header, 0, end, StandardCharsets.ISO_8859_1);
        return name.startsWith("./") ? name.substring(2) : name;
    }

    private static long size(byte[] header) throws IOException {
        long size = 0;
        if (header[SIZE_AT] < 0) {
            for (int i = SIZE_AT + 4; i < SIZE_AT + 12; i++) {
                size = (size << 8) | (header[i] & 0xff);
            }
        } else {
            for (int i = SIZE_AT; i < SIZE_AT + 12 && header[i] != 0 && header[i] != ' '; i++) {
                if (header[i] < '0' || header[i] > '7') {
                    throw new IOException("the bootstrap layer is no tar file");
                }
                size = (size << 3) | (header[i] - '0');
            }
        }
        if (size < 0) {
            throw new IOException("the bootstrap layer holds a file of negative size");
        }
        return size;
    }
}
