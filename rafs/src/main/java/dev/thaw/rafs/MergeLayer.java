package dev.thaw.rafs;

/**
 * One layer to be merged.
 *
 * @param bootstrap the layer's own bootstrap
 * @param blobId sha256 of the whole layer blob, 64 hex characters; replaces the placeholder that the layer's bootstrap holds
 * @param blobSizeBytes bytes of the whole layer blob
 */
public record MergeLayer(Bootstrap bootstrap, String blobId, long blobSizeBytes) {}
