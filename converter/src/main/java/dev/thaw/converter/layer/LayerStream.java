package dev.thaw.converter.layer;

import com.github.luben.zstd.ZstdIOException;
import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.tar.CorruptTarException;
import dev.thaw.rafs.gzip.GzipScan;
import dev.thaw.rafs.scan.LayerScan;
import dev.thaw.rafs.zstd.ZstdScan;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.PushbackInputStream;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.zip.ZipException;

/**
 * The uncompressed bytes of a source layer. While they stream by, the layer's digest (of the compressed bytes) and its diffID (of
 * the uncompressed ones) are computed; {@link #finish} checks both.
 *
 * <p>The compression is told by the first bytes, as containerd does, not by the media type: images exist that call zstd gzip.
 * gzip may have several members, zstd several frames.
 *
 * <p>Memory: {@link ReadAhead}'s buffers, 192 KiB for input, and zstd's window, at most 128 MiB but usually 8 MiB or less.
 */
public final class LayerStream implements AutoCloseable {
    private static final int INPUT_BUFFER_BYTES = 64 << 10;
    private static final int MAGIC_BYTES = 4;

    /**
     * What the manifest and the configuration promise of a layer.
     *
     * @param digest of the bytes as stored, {@code algorithm:hex}
     * @param sizeBytes of the bytes as stored
     * @param diffId digest of the uncompressed bytes, {@code algorithm:hex}
     */
    public record Promise(String digest, long sizeBytes, String diffId) {}

    private final Promise promise;
    private final MeteredStream compressed;
    private final MeteredStream plain;
    private final ReadAhead ahead;
    private final CompletableFuture<Form> form = new CompletableFuture<>();

    /** How a layer is compressed. */
    public sealed interface Form {
        /** Not at all. */
        record Plain() implements Form {}

        /**
         * With gzip or zstd.
         *
         * @param scan present if it was asked for
         */
        record Compressed(Optional<LayerScan> scan) implements Form {}
    }

    /** @param stored the layer as the registry hands it out; closed with this */
    public LayerStream(InputStream stored, Promise promise) throws IOException {
        this(stored, promise, 0);
    }

    /**
     * A stream that finds out, if the layer is compressed, where it can be entered.
     *
     * @param grainBytes least distance of the places where it is entered; 0 to find none
     */
    public LayerStream(InputStream stored, Promise promise, int grainBytes) throws IOException {
        this.promise = promise;
        try {
            this.compressed = new MeteredStream(stored, algorithm(promise.digest()));
            this.plain = new MeteredStream(new Decompressed(compressed, grainBytes, form), algorithm(promise.diffId()));
        } catch (NoSuchAlgorithmException e) {
            stored.close();
            throw new ConversionException(
                    FailureReason.UnsupportedMediaType,
                    "layer " + promise.digest() + " has a digest of the algorithm " + e.getMessage()
                            + "; sha256 and sha512 are known",
                    e);
        }
        this.ahead = new ReadAhead(plain, promise.digest());
    }

    private static String algorithm(String digest) {
        return digest.substring(0, Math.max(0, digest.indexOf(':')));
    }

    /** The uncompressed bytes. Its failures are not translated yet: see {@link #explain}. */
    public InputStream content() {
        return ahead;
    }

    /** How the layer is compressed; waits for its first bytes. */
    public Form form() throws IOException {
        try {
            return form.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException known ? known : new IOException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("reading was stopped");
        }
    }

    /** Reads what is left, since bytes behind the archive's end count too, and checks digests and size. */
    public void finish() throws IOException {
        var rest = new byte[INPUT_BUFFER_BYTES];
        var scan = form() instanceof Form.Compressed(var asked) ? asked : Optional.<LayerScan>empty();
        for (var n = ahead.read(rest); n >= 0; n = ahead.read(rest)) {
            if (scan.isPresent()) {
                scan.get().forget();
            }
        }
        if (compressed.count() != promise.sizeBytes()) {
            throw corrupt("has " + compressed.count() + " bytes, its manifest says " + promise.sizeBytes());
        }
        var digest = compressed.digest();
        if (!digest.equals(promise.digest())) {
            throw corrupt("has the digest " + digest);
        }
        var diffId = plain.digest();
        if (!diffId.equals(promise.diffId())) {
            throw corrupt("unpacks to " + diffId + ", the image's configuration says " + promise.diffId());
        }
    }

    /** Compressed bytes read so far; exact after {@link #finish}. */
    public long compressedBytes() {
        return compressed.count();
    }

    /** Uncompressed bytes read so far; exact after {@link #finish}. */
    public long uncompressedBytes() {
        return plain.count();
    }

    /** Says of a failure met while reading {@link #content} that it is this layer's fault, if it is. */
    public IOException explain(IOException failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof ConversionException known) {
                return new ConversionException(
                        known.reason(), "layer " + promise.digest() + ": " + known.text(), known);
            }
            if (cause instanceof CorruptTarException
                    || cause instanceof ZstdIOException
                    || cause instanceof ZipException
                    || cause instanceof CorruptCompression) {
                return new ConversionException(
                        FailureReason.CorruptLayer,
                        "layer " + promise.digest() + " cannot be unpacked: " + cause.getMessage(),
                        failure);
            }
        }
        return failure;
    }

    private ConversionException corrupt(String why) {
        return new ConversionException(FailureReason.CorruptLayer, "layer " + promise.digest() + " " + why);
    }

    @Override
    public void close() throws IOException {
        ahead.close();
    }

    /** What a decompressor says of its input, told apart from what the network says. */
    private static final class CorruptCompression extends IOException {
        private static final long serialVersionUID = 1;

        CorruptCompression(IOException cause) {
            super(cause.getMessage(), cause);
        }
    }

    /** A failure of the source below a decompressor, wrapped so that it is not taken for a fault in the data. */
    private static final class SourceFailure extends IOException {
        private static final long serialVersionUID = 1;

        SourceFailure(IOException cause) {
            super(cause);
        }
    }

    /** Picks the decompressor when the first byte is wanted, so that opening does not block. */
    private static final class Decompressed extends InputStream {
        private final InputStream source;
        private final int grainBytes;
        private final CompletableFuture<Form> form;
        private InputStream decompressor = InputStream.nullInputStream();
        private boolean isOpen;

        Decompressed(InputStream source, int grainBytes, CompletableFuture<Form> form) {
            this.source = source;
            this.grainBytes = grainBytes;
            this.form = form;
        }

        private InputStream open() throws IOException {
            if (!isOpen) {
                isOpen = true;
                try {
                    var in = new PushbackInputStream(
                            new BufferedInputStream(new Guarded(source), INPUT_BUFFER_BYTES), MAGIC_BYTES);
                    var magic = in.readNBytes(MAGIC_BYTES);
                    in.unread(magic);
                    decompressor = decompressor(in, magic);
                } catch (SourceFailure e) {
                    form.completeExceptionally(e.getCause() instanceof IOException original ? original : e);
                    throw e;
                } catch (IOException | RuntimeException e) {
                    form.completeExceptionally(e);
                    throw e;
                }
            }
            return decompressor;
        }

        private InputStream decompressor(InputStream in, byte[] magic) throws IOException {
            if (magic.length >= 2 && magic[0] == 0x1f && (magic[1] & 0xff) == 0x8b) {
                return scanned(new GzipScan(in, grainBytes));
            }
            var isZstd = Arrays.equals(magic, new byte[] {0x28, (byte) 0xb5, 0x2f, (byte) 0xfd});
            var isSkippable = magic.length == MAGIC_BYTES
                    && (magic[0] & 0xf0) == 0x50
                    && magic[1] == 0x2a
                    && magic[2] == 0x4d
                    && magic[3] == 0x18;
            if (!isZstd && !isSkippable) {
                form.complete(new Form.Plain());
                return in;
            }
            if (grainBytes > 0) {
                return scanned(new ZstdScan(in, grainBytes));
            }
            form.complete(new Form.Compressed(Optional.empty()));
            return new ZstdInputStreamNoFinalizer(in);
        }

        private LayerScan scanned(LayerScan scan) {
            form.complete(new Form.Compressed(grainBytes > 0 ? Optional.of(scan) : Optional.empty()));
            return scan;
        }

        @Override
        public int read() throws IOException {
            var one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] out, int from, int length) throws IOException {
            try {
                return open().read(out, from, length);
            } catch (SourceFailure e) {
                throw e.getCause() instanceof IOException original ? original : e;
            } catch (EOFException e) {
                var ended = new EOFException("the compressed data ends too early");
                ended.initCause(e);
                throw new CorruptCompression(ended);
            } catch (IOException e) {
                throw new CorruptCompression(e);
            }
        }

        @Override
        public void close() throws IOException {
            decompressor.close();
            source.close();
        }
    }

    private static final class Guarded extends InputStream {
        private final InputStream in;

        Guarded(InputStream in) {
            this.in = in;
        }

        @Override
        public int read() throws IOException {
            try {
                return in.read();
            } catch (IOException e) {
                throw new SourceFailure(e);
            }
        }

        @Override
        public int read(byte[] out, int from, int length) throws IOException {
            try {
                return in.read(out, from, length);
            } catch (IOException e) {
                throw new SourceFailure(e);
            }
        }

        @Override
        public void close() throws IOException {
            in.close();
        }
    }
}
