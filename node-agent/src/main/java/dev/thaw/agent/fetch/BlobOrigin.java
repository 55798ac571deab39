package dev.thaw.agent.fetch;

import java.io.IOException;
import java.io.InputStream;

/** Where the bytes of one blob come from, for one image: its repository, with its credentials. */
@FunctionalInterface
public interface BlobOrigin {
    /**
     * The stored bytes of a range, exactly; every read of the stream has a deadline. Nothing is repeated: whoever calls
     * does that, and knows how urgent it is.
     *
     * @param way another number is another way to the same bytes, where there is another: a mirror, or the registry; and
     *     always another connection than those in use
     * @throws HeldBack when the registry has asked to be left alone for a while
     */
    InputStream range(long offset, long length, int way) throws IOException;

    /** What a stream of this origin delivered was wrong; the next one should come from elsewhere, if there is an elsewhere. */
    default void distrust(InputStream delivered) {}
}
