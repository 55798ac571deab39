package dev.thaw.rafs;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

public final class Bootstrap implements AutoCloseable {
    public static Bootstrap open(Path file) throws IOException, CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public static Bootstrap of(MemorySegment image, String name) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public String name() {
        throw new UnsupportedOperationException();
    }

    public int chunkSizeBytes() {
        throw new UnsupportedOperationException();
    }

    public List<BlobInfo> blobs() {
        throw new UnsupportedOperationException();
    }

    public long rootNid() {
        throw new UnsupportedOperationException();
    }

    public long inodeCount() {
        throw new UnsupportedOperationException();
    }

    public Inode inode(long nid) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public OptionalLong lookup(long directoryNid, byte[] name) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public void list(long directoryNid, DirectoryVisitor visitor) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public OptionalLong resolve(String absolutePath) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public byte[] symlinkTarget(long nid) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public List<Xattr> xattrs(long nid) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public int chunkCount(long nid) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public FileChunk fileChunk(long nid, int i) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    /** Nids in the order in which their files should be fetched ahead; empty unless the builder was told some. */
    public List<Long> prefetchNids() throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
