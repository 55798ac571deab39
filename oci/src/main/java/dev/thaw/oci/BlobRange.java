package dev.thaw.oci;

import dev.thaw.oci.BlobPuller.Body;
import dev.thaw.oci.BlobPuller.Piece;
import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A piece of a blob, being read. A connection that breaks off is taken up again at the byte where it stopped, at another
 * mirror if there is one. Ends early only where the blob itself ends.
 *
 * <p>The bytes of a piece have no digest of their own: who reads checks them by other means, and says {@link #distrust()}
 * if they are wrong. Not for use by several threads at once.
 */
public final class BlobRange extends InputStream {
    private static final Logger LOG = LoggerFactory.getLogger(BlobRange.class);

    private final BlobPuller puller;
    private final Retries retries;
    private final Piece piece;
    private final byte[] single = new byte[1];
    private @Nullable Body current;
    private Body last;
    private long position;
    private long end;
    private int failures;

    /** Opens the piece: the first answer has come when this returns. */
    BlobRange(BlobPuller puller, Retries retries, Piece piece) throws IOException {
        this.puller = puller;
        this.retries = retries;
        this.piece = piece;
        this.position = piece.start();
        this.end = piece.end();
        this.last = puller.open(piece);
        this.current = last;
        learnSize(last);
    }

    /** The first byte of this piece, as a position in the blob. */
    public long offset() {
        return piece.start();
    }

    /** The size of the whole blob, if the registry said it. */
    public OptionalLong blobSizeBytes() {
        return last.totalBytes() < 0 ? OptionalLong.empty() : OptionalLong.of(last.totalBytes());
    }

    /** Who delivers: the URL of the registry or mirror, for logs and metrics. */
    public String source() {
        return last.endpoint().toString();
    }

    /** Whether a mirror delivers. */
    public boolean isFromMirror() {
        return last.endpoint().isMirror();
    }

    /**
     * The bytes were wrong. The place they came from is not asked for a while, so that the next try goes elsewhere if
     * there is an elsewhere.
     */
    public void distrust() {
        puller.distrust(last);
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
        while (position < end) {
            try {
                var body = body();
                var most = (int) Math.min(length, Math.min(end, body.end()) - position);
                var read = most == 0 ? -1 : body.body().read(into, offset, most);
                if (read > 0) {
                    position += read;
                    failures = 0;
                    if (position == end) {
                        close();
                    }
                    return read;
                }
                if (position < body.end()) {
                    fail(null);
                } else {
                    // Less was sent than asked for, which is allowed; the next answer goes on.
                    close();
                }
            } catch (RegistryException e) {
                throw e;
            } catch (IOException e) {
                if (Thread.currentThread().isInterrupted()) {
                    throw piece.action().interrupted();
                }
                fail(e);
            }
        }
        return -1;
    }

    /** The body that delivers the next byte: the open one, or another from where it stopped. */
    private Body body() throws IOException {
        var open = current;
        if (open == null) {
            open = puller.open(piece.from(position));
            current = open;
            last = open;
            learnSize(open);
        }
        return open;
    }

    private void learnSize(Body body) {
        if (body.totalBytes() >= 0) {
            end = Math.min(end, body.totalBytes());
        }
    }

    private void fail(@Nullable IOException cause) throws IOException {
        var broken = last;
        close();
        puller.distrust(broken);
        if (++failures > retries.limit() || !piece.isRepeated()) {
            throw piece.action()
                    .brokenOff(
                            "%s broke off %d times at byte %d of %d to %d"
                                    .formatted(broken.endpoint(), failures, position, piece.start(), end - 1),
                            cause);
        }
        LOG.debug("{} broke off at byte {} of {}, going on from there", broken.endpoint(), position, piece.digest());
        retries.pause(piece.action(), failures);
    }

    /** Gives the connection back. Bytes that were not read are lost. */
    @Override
    public void close() {
        var open = current;
        current = null;
        if (open != null) {
            try {
                open.body().close();
            } catch (IOException e) {
                LOG.debug("closing a blob's connection failed: {}", e.toString());
            }
        }
    }
}
