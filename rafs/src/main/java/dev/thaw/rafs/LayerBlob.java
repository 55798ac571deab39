package dev.thaw.rafs;

/**
 * A finished layer blob.
 *
 * @param digest sha256 of all its bytes, 64 hex characters; also the blob id under which a merged bootstrap refers to it
 * @param sizeBytes bytes of the whole blob
 * @param contentBytes sum of the sizes of the regular files that were added, as they were read
 * @param duplicateBytes the part of it that was not stored because an equal chunk was there already, in this blob or in the dictionary
 * @param dataBytes bytes of the compressed chunks in the blob
 * @param uncompressedBytes length of the device that the chunks make when laid out uncompressed, a multiple of 4096
 * @param chunkCount chunks in the blob; 0 means that a merged bootstrap will not refer to the blob
 * @param chunkUses chunks of all files together, duplicates counted
 * @param files regular files, hard links counted once
 * @param inodes files of all kinds
 * @param bootstrapBytes length of the layer's own bootstrap, uncompressed
 */
public record LayerBlob(
        String digest,
        long sizeBytes,
        long contentBytes,
        long duplicateBytes,
        long dataBytes,
        long uncompressedBytes,
        int chunkCount,
        long chunkUses,
        long files,
        long inodes,
        long bootstrapBytes) {}
