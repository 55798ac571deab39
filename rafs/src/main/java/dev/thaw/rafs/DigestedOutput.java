package dev.thaw.rafs;

import java.io.IOException;
import java.io.OutputStream;
import java.security.MessageDigest;

/** Counts and digests what goes through. */
final class DigestedOutput extends OutputStream {
    private final OutputStream out;
    private final MessageDigest sha256;
    private long position;

    DigestedOutput(OutputStream out) {
        this(out, ChunkHasher.sha256());
    }

    /** Goes on from a digest, which is left as it is. */
    DigestedOutput(OutputStream out, MessageDigest begun) {
        this.out = out;
        this.sha256 = copy(begun);
    }

    long position() {
        return position;
    }

    /** The digest of all bytes so far. */
    byte[] sha256() {
        return copy(sha256).digest();
    }

    private static MessageDigest copy(MessageDigest digest) {
        try {
            return (MessageDigest) digest.clone();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("SHA-256 of this runtime cannot be cloned", e);
        }
    }

    @Override
    public void write(int b) throws IOException {
        write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        out.write(bytes, offset, length);
        sha256.update(bytes, offset, length);
        position += length;
    }

    @Override
    public void flush() throws IOException {
        out.flush();
    }

    /** The same stream for someone who closes what he is given. */
    OutputStream unclosable() {
        return new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                DigestedOutput.this.write(b);
            }

            @Override
            public void write(byte[] bytes, int offset, int length) throws IOException {
                DigestedOutput.this.write(bytes, offset, length);
            }
        };
    }
}
