package dev.thaw.agent.fetch;

import java.io.IOException;

/** A chunk could not be had. */
final class ChunkUnavailable extends IOException {
    private final boolean worthRetrying;

    /** @param worthRetrying whether a reader should ask again: the attempt was one that nobody had waited for */
    ChunkUnavailable(String message, Throwable cause, boolean worthRetrying) {
        super(message, cause);
        this.worthRetrying = worthRetrying;
    }

    ChunkUnavailable(String message) {
        super(message);
        worthRetrying = false;
    }

    boolean isWorthRetrying() {
        return worthRetrying;
    }
}
