package dev.thaw.converter.report;

import java.util.Locale;

/** The stretches of a conversion that take time. */
public enum Phase {
    /** Source layers become blobs; bytes are compressed source bytes. */
    CONVERT,
    /** Bootstraps, manifests and the index are pushed; they are small and not counted. */
    PUBLISH,
    /** Source and published image are read again and compared; bytes are compressed bytes of both. */
    VERIFY;

    /** As progress lines write it. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
