package dev.thaw.rafs;

import java.lang.foreign.MemorySegment;

public final class ChunkDecoder implements AutoCloseable {
    /** Decodes one chunk; fails unless {@code out} is filled exactly. Returns the number of bytes, {@code out.byteSize()}. */
    public int decode(Codec codec, MemorySegment compressed, MemorySegment out) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
