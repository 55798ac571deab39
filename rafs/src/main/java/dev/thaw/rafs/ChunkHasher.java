package dev.thaw.rafs;

import java.lang.foreign.MemorySegment;
import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** Digests chunks with the algorithm of their blob. Not thread-safe. */
final class ChunkHasher {
    private final DigestAlgorithm algorithm;
    private final MessageDigest sha256 = sha256();
    private final Blake3 blake3 = new Blake3();
    private final byte[] scratch = new byte[ChunkRecords.DIGEST_BYTES];

    ChunkHasher(DigestAlgorithm algorithm) {
        this.algorithm = algorithm;
    }

    /** Writes the digest of {@code data} to {@code out[0..32)}. */
    void digest(MemorySegment data, byte[] out) {
        switch (algorithm) {
            case BLAKE3 -> blake3.digest(data, out);
            case SHA256 -> {
                try {
                    sha256.update(data.asByteBuffer());
                    sha256.digest(out, 0, out.length);
                } catch (DigestException e) {
                    throw new IllegalStateException("sha256 does not fit 32 bytes", e);
                }
            }
        }
    }

    boolean matches(MemorySegment data, byte[] expected) {
        digest(data, scratch);
        return MessageDigest.isEqual(scratch, expected);
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }
}
