package dev.thaw.rafs;

/**
 * Where one piece of a file lies.
 *
 * @param blobIndex position of the blob in {@link Bootstrap#blobs()}
 * @param chunkIndex position of the chunk in that blob's {@link ChunkTable}
 * @param deviceOffset byte position in the blob's uncompressed space, a multiple of 4096
 * @param lengthBytes bytes of the file that this chunk holds
 */
public record FileChunk(int blobIndex, int chunkIndex, long deviceOffset, int lengthBytes) {}
