package dev.thaw.converter.tar;

import java.io.IOException;

/** A tar archive that breaks the rules of its format. */
public final class CorruptTarException extends IOException {
    private static final long serialVersionUID = 1;

    /**
     * @param offset byte position in the uncompressed archive at which the rule is broken
     * @param reason what is wrong, in a few words
     */
    public CorruptTarException(long offset, String reason) {
        super("tar archive at byte " + offset + ": " + reason);
    }
}
