package dev.thaw.converter.layer;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Digests and counts what is read through it. */
final class MeteredStream extends FilterInputStream {
    private final MessageDigest digest;
    private final String algorithm;
    private long count;

    /** @param algorithm as OCI digests name it, {@code sha256} or {@code sha512} */
    MeteredStream(InputStream in, String algorithm) throws NoSuchAlgorithmException {
        super(in);
        this.algorithm = algorithm;
        this.digest = MessageDigest.getInstance(
                switch (algorithm) {
                    case "sha256" -> "SHA-256";
                    case "sha512" -> "SHA-512";
                    default -> throw new NoSuchAlgorithmException(algorithm);
                });
    }

    @Override
    public int read() throws IOException {
        var b = in.read();
        if (b >= 0) {
            digest.update((byte) b);
            count++;
        }
        return b;
    }

    @Override
    public int read(byte[] out, int from, int length) throws IOException {
        var read = in.read(out, from, length);
        if (read > 0) {
            digest.update(out, from, read);
            count += read;
        }
        return read;
    }

    @Override
    public long skip(long wanted) throws IOException {
        var buffer = new byte[(int) Math.min(Math.max(wanted, 0), 64 << 10)];
        long skipped = 0;
        while (skipped < wanted) {
            var read = read(buffer, 0, (int) Math.min(buffer.length, wanted - skipped));
            if (read < 0) {
                break;
            }
            skipped += read;
        }
        return skipped;
    }

    @Override
    public boolean markSupported() {
        return false;
    }

    long count() {
        return count;
    }

    /** The digest of all that was read, {@code algorithm:hex}; once, at the end. */
    String digest() {
        return algorithm + ":" + HexFormat.of().formatHex(digest.digest());
    }
}
