package dev.thaw.operator.certificates;

import java.io.IOException;
import java.security.GeneralSecurityException;

/** Where a server's certificate comes from. */
sealed interface ServingSource permits SelfMadeSource, MountedSource {
    /**
     * What should be served now.
     *
     * @throws IOException when it cannot be had; what was served before stays good until it ends
     * @throws GeneralSecurityException when it is there and cannot be used; the message names it
     */
    Serving load() throws IOException, GeneralSecurityException;
}
