package dev.thaw.converter.published;

import dev.thaw.converter.publish.LazyNames;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.tar.TarEntry;
import dev.thaw.converter.tar.TarReader;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import java.io.BufferedInputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.DigestOutputStream;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.compressors.gzip.GzipCompressorInputStream;

/**
 * The layer that holds an image's bootstrap: a gzipped tar with the directory {@code image/} and the file {@value
 * LazyNames#BOOTSTRAP_PATH}. Owner, group and time of both are 0, so that equal bootstraps make equal layers.
 *
 * @param digest of the gzipped tar
 * @param sizeBytes of the gzipped tar
 * @param diffId of the tar
 */
public record BootstrapLayer(Digest digest, long sizeBytes, Digest diffId) {
    private static final int BUFFER_BYTES = 64 << 10;

    /** Writes the layer of this bootstrap; called twice it writes the same bytes twice. */
    public static BootstrapLayer write(Path bootstrap, OutputStream out) throws IOException {
        var gzipHash = new Digest("sha256", "0".repeat(64)).hasher();
        var tarHash = new Digest("sha256", "0".repeat(64)).hasher();
        var counter = new Counter(new DigestOutputStream(out, gzipHash));
        // The caller's stream stays open: closing an upload means to take it back.
        try (var gzip = new GZIPOutputStream(new Unclosed(counter), BUFFER_BYTES)) {
            var tar = new TarArchiveOutputStream(new DigestOutputStream(gzip, tarHash), 512);
            tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_STAR);
            tar.putArchiveEntry(entry("image/", 0, 0755));
            tar.closeArchiveEntry();
            tar.putArchiveEntry(entry(LazyNames.BOOTSTRAP_PATH, Files.size(bootstrap), 0444));
            Files.copy(bootstrap, tar);
            tar.closeArchiveEntry();
            tar.finish();
        }
        return new BootstrapLayer(Digest.of("sha256", gzipHash), counter.count, Digest.of("sha256", tarHash));
    }

    private static TarArchiveEntry entry(String name, long size, int mode) {
        var entry = new TarArchiveEntry(name);
        entry.setSize(size);
        entry.setMode(mode);
        entry.setModTime(0);
        entry.setIds(0, 0);
        entry.setNames("", "");
        return entry;
    }

    /** Fetches the bootstrap out of a published layer, whose digest is checked. */
    public static void fetch(Repository repository, Descriptor layer, Path file) throws IOException {
        var found = false;
        var hash = layer.digest().hasher();
        try (var stored = new DigestInputStream(repository.unchecked(layer), hash);
                var plain = GzipCompressorInputStream.builder()
                        .setInputStream(new BufferedInputStream(stored, BUFFER_BYTES))
                        .setDecompressConcatenated(true)
                        .get()) {
            var tar = new TarReader(new BufferedInputStream(plain, BUFFER_BYTES));
            for (var entry = tar.next(); entry != null; entry = tar.next()) {
                if (entry.type() == TarEntry.Type.FILE && entry.name().equals(LazyNames.BOOTSTRAP_PATH)) {
                    try (var out = Files.newOutputStream(file)) {
                        tar.content().transferTo(out);
                    }
                    found = true;
                }
            }
            plain.transferTo(OutputStream.nullOutputStream());
            stored.transferTo(OutputStream.nullOutputStream());
        }
        check(layer, Digest.of(layer.digest().algorithm(), hash), found);
    }

    private static void check(Descriptor layer, Digest digest, boolean found) throws ConversionException {
        if (!digest.equals(layer.digest())) {
            throw new ConversionException(
                    FailureReason.VerificationFailed,
                    "the bootstrap layer " + layer.digest() + " was read back with the digest " + digest);
        }
        if (!found) {
            throw new ConversionException(
                    FailureReason.VerificationFailed,
                    "the bootstrap layer " + layer.digest() + " holds no " + LazyNames.BOOTSTRAP_PATH);
        }
    }

    private static final class Unclosed extends FilterOutputStream {
        Unclosed(OutputStream out) {
            super(out);
        }

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
            out.write(bytes, from, length);
        }

        @Override
        public void close() throws IOException {
            flush();
        }
    }

    private static final class Counter extends FilterOutputStream {
        private long count;

        Counter(OutputStream out) {
            super(out);
        }

        @Override
        public void write(int b) throws IOException {
            out.write(b);
            count++;
        }

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
            out.write(bytes, from, length);
            count += length;
        }
    }
}
