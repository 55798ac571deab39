package dev.thaw.agent.fetch;

import java.io.IOException;
import java.io.InputStream;

/** Where the bytes of one blob come from, for one image: its repository, with its credentials. */
@FunctionalInterface
public interface BlobOrigin {
    /** The stored bytes of a range, exactly; every read of the stream has a deadline. */
    InputStream range(long offset, long length) throws IOException;

    /** What a stream of this origin delivered was wrong; the next one should come from elsewhere, if there is an elsewhere. */
    default void distrust(InputStream delivered) {}
}
