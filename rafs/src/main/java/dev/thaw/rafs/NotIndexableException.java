package dev.thaw.rafs;

import java.io.IOException;

/** A layer that is sound but cannot be read in place, piece by piece: its files have to be copied into chunks of their own. */
public final class NotIndexableException extends IOException {
    private static final long serialVersionUID = 1;

    /** @param why in a few words, to be read behind "the layer cannot be read in place: " */
    public NotIndexableException(String why) {
        super(why);
    }
}
