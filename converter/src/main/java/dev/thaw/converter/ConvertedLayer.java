package dev.thaw.converter;

import dev.thaw.oci.Descriptor;
import java.nio.file.Path;

/**
 * A source layer that now also exists as a blob, or that a blob describes.
 *
 * @param blob its entry for manifests
 * @param chunkCount chunks in the blob; a blob without any holds a bootstrap only and is not listed in artifacts
 * @param bootstrap the layer's own bootstrap, on disk
 * @param tarBytes uncompressed bytes that were read; 0 if it had been converted before
 * @param isReused whether it had been converted before
 * @param isIndexed whether the blob only describes the layer, which stays as it is
 */
record ConvertedLayer(
        Descriptor blob, int chunkCount, Path bootstrap, long tarBytes, boolean isReused, boolean isIndexed) {}
