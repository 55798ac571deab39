package dev.thaw.agent.fetch;

import java.io.IOException;
import java.time.Duration;

/** A registry has asked to be left alone for a while. */
public final class HeldBack extends IOException {
    private final Duration pause;

    public HeldBack(Duration pause, IOException cause) {
        super(cause.getMessage(), cause);
        this.pause = pause;
    }

    /** How long from now on. */
    public Duration pause() {
        return pause;
    }
}
