package dev.thaw.agent.image;

import dev.thaw.agent.fetch.StoredChunks;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.SpanTable;
import java.lang.foreign.MemorySegment;

/**
 * The chunks of a gzip layer that stays as it is. Where they are stored is told in bytes of the tar, not of the gzip stream: a {@link
 * LayerOrigin} delivers those, so that one request for neighbouring chunks is one run through the stream.
 */
final class SpanChunks implements StoredChunks {
    private final StoredChunks chunks;
    private final SpanTable spans;

    private SpanChunks(StoredChunks chunks, SpanTable spans) {
        this.chunks = chunks;
        this.spans = spans;
    }

    /** @param chunks as the bootstrap has them */
    static SpanChunks of(StoredChunks chunks, SpanTable spans) {
        return new SpanChunks(chunks, spans);
    }

    @Override
    public int count() {
        return chunks.count();
    }

    @Override
    public long offset(int chunk) {
        return chunks.offset(chunk);
    }

    @Override
    public int length(int chunk) {
        return chunks.length(chunk);
    }

    @Override
    public long footprint(int chunk) {
        return chunks.footprint(chunk);
    }

    @Override
    public boolean isIntact(int chunk, MemorySegment content) {
        return chunks.isIntact(chunk, content);
    }

    @Override
    public long storedOffset(int chunk) {
        return spans.outOffset(chunk);
    }

    @Override
    public int storedLength(int chunk) {
        return chunks.length(chunk);
    }

    @Override
    public boolean beginsFile(int chunk) {
        return chunks.beginsFile(chunk);
    }

    @Override
    public int firstTogether(int chunk) {
        int first = chunk;
        while (first > 0 && spans.spanOf(first - 1) == spans.spanOf(chunk)) {
            first--;
        }
        return first;
    }

    @Override
    public int lastTogether(int chunk) {
        int last = chunk;
        while (last + 1 < count() && spans.spanOf(last + 1) == spans.spanOf(chunk)) {
            last++;
        }
        return last;
    }

    @Override
    public void decode(int chunk, MemorySegment stored, MemorySegment content) {
        content.copyFrom(stored);
    }

    @Override
    public SpanChunks union(StoredChunks other) throws CorruptImageException {
        if (!(other instanceof SpanChunks that)) {
            throw new CorruptImageException(
                    "chunk table of blob " + spans.layer().tableId(), -1, "only one of two images reads it in place");
        }
        var union = chunks.union(that.chunks);
        return union.equals(chunks) ? this : new SpanChunks(union, spans);
    }
}
