package dev.thaw.agent.program;

import dev.thaw.agent.AgentException.ReadFailed;
import dev.thaw.agent.fetch.LazyBlob;
import dev.thaw.agent.fetch.Span;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.CorruptImageException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** A regular file of an image as the agent itself looks at it: where its chunks are, and what is in it. */
public final class ImageFile {
    private final Bootstrap bootstrap;
    private final List<LazyBlob> blobs;
    private final long nid;
    private final long sizeBytes;

    public ImageFile(Bootstrap bootstrap, List<LazyBlob> blobs, long nid) throws CorruptImageException {
        this.bootstrap = bootstrap;
        this.blobs = blobs;
        this.nid = nid;
        sizeBytes = bootstrap.inode(nid).sizeBytes();
    }

    long sizeBytes() {
        return sizeBytes;
    }

    /** Where its first chunks are, neighbours together. */
    public List<Span> spans(int mostChunks) throws CorruptImageException {
        var spans = new ArrayList<Span>();
        int count = Math.min(bootstrap.chunkCount(nid), mostChunks);
        int index = 0;
        while (index < count) {
            var first = bootstrap.fileChunk(nid, index);
            int last = first.chunkIndex();
            index++;
            while (index < count) {
                var next = bootstrap.fileChunk(nid, index);
                if (next.blobIndex() != first.blobIndex() || next.chunkIndex() != last + 1) {
                    break;
                }
                last++;
                index++;
            }
            spans.add(new Span(blobs.get(first.blobIndex()), first.chunkIndex(), last));
        }
        return spans;
    }

    /** Bytes of the file, fewer at its end and none where they cannot be had. */
    ByteBuffer read(long offset, int length) throws CorruptImageException, ReadFailed, InterruptedException {
        long end = Math.min(offset + length, sizeBytes);
        if (offset < 0 || offset >= end) {
            return ByteBuffer.allocate(0);
        }
        var content = ByteBuffer.allocate((int) (end - offset));
        int chunkBytes = bootstrap.chunkSizeBytes();
        try (var arena = Arena.ofConfined()) {
            for (long at = offset; at < end; ) {
                var chunk = bootstrap.fileChunk(nid, (int) (at / chunkBytes));
                int within = (int) (at % chunkBytes);
                int part = (int) Math.min(chunk.lengthBytes() - within, end - at);
                if (part <= 0) {
                    return ByteBuffer.allocate(0);
                }
                var target = arena.allocate(part);
                if (!blobs.get(chunk.blobIndex()).peek(chunk.deviceOffset() + within, part, target)) {
                    return ByteBuffer.allocate(0);
                }
                content.put(target.toArray(ValueLayout.JAVA_BYTE));
                at += part;
            }
        }
        return content.flip();
    }
}
