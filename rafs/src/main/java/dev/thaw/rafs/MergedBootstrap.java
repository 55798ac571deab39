package dev.thaw.rafs;

import java.nio.file.Path;
import java.util.List;

/**
 * A bootstrap over all layers of an image.
 *
 * @param file where it was written
 * @param sizeBytes its length
 * @param sha256 of its bytes, 64 hex characters
 * @param blobs the blobs that it refers to, in the order of their index; layers whose every file is hidden are not among them
 * @param inodes files of all kinds, hard links counted once
 * @param chunkCount distinct chunks that files refer to
 * @param contentBytes sum of the sizes of all regular files, hard links counted once
 */
public record MergedBootstrap(
        Path file,
        long sizeBytes,
        String sha256,
        List<BlobInfo> blobs,
        long inodes,
        int chunkCount,
        long contentBytes) {

    public MergedBootstrap {
        blobs = List.copyOf(blobs);
    }
}
