package dev.thaw.operator.registry;

import dev.thaw.oci.Digest;
import dev.thaw.oci.Platform;
import java.util.List;

/**
 * What a source reference points to.
 *
 * @param digest of the manifest or index
 * @param mediaType of what the digest names
 * @param platforms what an index offers; empty for a single manifest, whose platform stands in its config
 */
public record SourceImage(Digest digest, String mediaType, List<Platform> platforms) {
    public SourceImage {
        platforms = List.copyOf(platforms);
    }
}
