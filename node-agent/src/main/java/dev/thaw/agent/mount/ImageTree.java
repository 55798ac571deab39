package dev.thaw.agent.mount;

import dev.thaw.agent.AgentException.ReadFailed;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.Inode;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** An image's tree as a file system asks for it: by path, in bytes. */
final class ImageTree {
    private final MountableImage image;
    private final Set<Thread> readers = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    ImageTree(MountableImage image) {
        this.image = image;
    }

    MountableImage image() {
        return image;
    }

    /**
     * Where a path leads.
     *
     * @param path absolute, with single slashes, as the kernel and libfuse make it
     */
    OptionalLong find(byte[] path) throws CorruptImageException {
        long nid = image.bootstrap().rootNid();
        int start = 1;
        while (start < path.length) {
            int end = start;
            while (end < path.length && path[end] != '/') {
                end++;
            }
            var child = image.bootstrap().lookup(nid, Arrays.copyOfRange(path, start, end));
            if (child.isEmpty()) {
                return child;
            }
            nid = child.getAsLong();
            start = end + 1;
        }
        return OptionalLong.of(nid);
    }

    Inode inode(long nid) throws CorruptImageException {
        return image.bootstrap().inode(nid);
    }

    /** Reads a part of a file. @return the bytes that were read: fewer than asked for only at the file's end */
    int read(long nid, long offset, long size, MemorySegment target)
            throws CorruptImageException, ReadFailed, InterruptedException {
        var bootstrap = image.bootstrap();
        int wanted = (int) Math.clamp(inode(nid).sizeBytes() - offset, 0L, Math.min(size, Integer.MAX_VALUE));
        int done = 0;
        while (done < wanted) {
            long position = offset + done;
            var chunk = bootstrap.fileChunk(nid, Math.toIntExact(position / bootstrap.chunkSizeBytes()));
            int within = (int) (position % bootstrap.chunkSizeBytes());
            int length = Math.min(wanted - done, chunk.lengthBytes() - within);
            if (length <= 0) {
                throw new CorruptImageException(bootstrap.name(), -1, "file " + nid + " is longer than its chunks");
            }
            read(chunk.blobIndex(), chunk.deviceOffset() + within, length, target.asSlice(done, length));
            done += length;
        }
        return done;
    }

    private void read(int device, long offset, int length, MemorySegment target)
            throws ReadFailed, InterruptedException {
        var source = image.devices().get(device);
        if (source.readCached(offset, length, target)) {
            return;
        }
        var reader = Thread.currentThread();
        readers.add(reader);
        try {
            if (closed) {
                throw new ReadFailed("image " + image.name(), "it was released", null);
            }
            source.read(offset, length, target);
        } finally {
            readers.remove(reader);
        }
    }

    /** Ends reads that wait. */
    void close() {
        closed = true;
        readers.forEach(Thread::interrupt);
    }
}
