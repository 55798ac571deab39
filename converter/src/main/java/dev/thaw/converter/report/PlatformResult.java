package dev.thaw.converter.report;

/**
 * What came of one platform.
 *
 * @param platform {@code os/architecture[/variant]}
 * @param lazyDigest of the lazy manifest
 * @param artifactDigest of the artifact manifest
 * @param sourceDigest of the source manifest
 * @param layers of the source
 * @param files files of all kinds in the merged tree, hard links counted once
 * @param chunks distinct chunks that files refer to
 * @param sourceBytes compressed bytes of the source's layers
 * @param contentBytes sizes of all regular files of the merged tree, hard links counted once
 * @param blobBytes bytes of the blobs that are the image's own
 * @param sharedBytes stored bytes of the chunks in use that lie in blobs of the dictionary
 * @param bootstrapBytes of the merged bootstrap, uncompressed
 * @param duplicateBytes the part of contentBytes that is stored once though it occurs more often
 * @param reusedLayers how many layers had been converted before
 * @param indexedLayers how many layers are read in place
 * @param artifactBytes of all that the artifact consists of but the dictionary's blobs: what is stored beside the source's layers
 */
public record PlatformResult(
        String platform,
        String lazyDigest,
        String artifactDigest,
        String sourceDigest,
        int layers,
        long files,
        long chunks,
        long sourceBytes,
        long contentBytes,
        long blobBytes,
        long sharedBytes,
        long bootstrapBytes,
        long duplicateBytes,
        int reusedLayers,
        int indexedLayers,
        long artifactBytes) {

    /** What is stored beside the source's layers, by their size. */
    public double artifactRatio() {
        return sourceBytes == 0 ? 0 : (double) artifactBytes / sourceBytes;
    }
}
