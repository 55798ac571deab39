package dev.thaw.agent.image;

import dev.thaw.oci.Digest;
import java.util.Optional;

/** The images that may be served, as NodeService or the configuration file says. Labels only select from it. */
public interface ImageTable {
    Optional<ImageEntry> find(Digest artifact);
}
