package dev.thaw.converter.published;

import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * The digest of a file's content by which source and image are compared: the sha256 over the sha256 of each piece, pieces being
 * cut at multiples of the image's chunk size. Equal roots mean equal contents, as equal sha256 of the whole would; but a root can be
 * computed from digests of chunks, so that every chunk of an image has to be fetched only once however many files share it, and
 * in the order in which it lies in its blob.
 */
final class ContentDigest {
    private final MessageDigest piece = sha256();
    private final MessageDigest root = sha256();
    private final byte[] buffer;
    private final int pieceBytes;

    ContentDigest(int pieceBytes) {
        this.pieceBytes = pieceBytes;
        this.buffer = new byte[Math.min(pieceBytes, 256 << 10)];
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    /** The digest of everything that the stream holds. */
    byte[] of(InputStream content) throws IOException {
        var left = pieceBytes;
        var isEmpty = true;
        for (int read; (read = content.read(buffer, 0, Math.min(buffer.length, left))) > 0; ) {
            piece.update(buffer, 0, read);
            isEmpty = false;
            left -= read;
            if (left == 0) {
                root.update(piece.digest());
                left = pieceBytes;
                isEmpty = true;
            }
        }
        if (!isEmpty) {
            root.update(piece.digest());
        }
        return root.digest();
    }

    /** Adds the sha256 of the next piece, for a file whose pieces were digested before. */
    void add(byte[] digests, int at) {
        root.update(digests, at, 32);
    }

    /** The digest of the pieces that were added; begins anew. */
    byte[] finish() {
        return root.digest();
    }
}
