package dev.thaw.oci;

import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.util.Objects;

/**
 * A whole blob that is checked while it is read. The last bytes are handed out only if size and digest are right, so
 * that a reader who stops at the known size has checked content too.
 */
final class BlobStream extends InputStream {
    private final Action action;
    private final BlobRange source;
    private final Descriptor expected;
    private final MessageDigest hasher;
    private final byte[] single = new byte[1];
    private long position;
    private boolean verified;

    BlobStream(Action action, BlobRange source, Descriptor expected) throws RegistryException {
        this.action = action;
        this.source = source;
        this.expected = expected;
        this.hasher = expected.digest().hasher();
        var size = source.blobSizeBytes();
        if (size.isPresent() && size.getAsLong() != expected.sizeBytes()) {
            source.close();
            throw wrongSize("the registry has %d bytes".formatted(size.getAsLong()));
        }
    }

    @Override
    public int read() throws IOException {
        return read(single, 0, 1) < 0 ? -1 : single[0] & 0xff;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, into.length);
        if (length == 0) {
            return 0;
        }
        if (position == expected.sizeBytes()) {
            verify();
            return -1;
        }
        var read = source.read(into, offset, (int) Math.min(length, expected.sizeBytes() - position));
        if (read < 0) {
            throw wrongSize("it ended after %d bytes".formatted(position));
        }
        hasher.update(into, offset, read);
        position += read;
        if (position == expected.sizeBytes()) {
            verify();
        }
        return read;
    }

    private void verify() throws IOException {
        if (verified) {
            return;
        }
        var found = Digest.of(expected.digest().algorithm(), hasher);
        if (!found.equals(expected.digest())) {
            source.distrust();
            throw action.invalid(
                    "its content has the digest " + found,
                    source.source() + " delivered damaged content; check its storage, and push the image again");
        }
        verified = true;
    }

    private RegistryException wrongSize(String what) {
        source.distrust();
        return action.invalid(
                "%s instead of %d".formatted(what, expected.sizeBytes()),
                source.source() + " delivered other content than the manifest names; push the image again");
    }

    @Override
    public void close() {
        source.close();
    }
}
