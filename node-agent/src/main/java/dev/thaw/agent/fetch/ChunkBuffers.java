package dev.thaw.agent.fetch;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicInteger;

/** Native memory for chunks on their way. Buffers of the usual size are kept and used again; larger ones are not. */
public final class ChunkBuffers {
    /** The usual chunk, and the largest read of the kernel. */
    public static final int USUAL_BYTES = 1 << 20;

    private final ConcurrentLinkedDeque<Buffer> idle = new ConcurrentLinkedDeque<>();
    private final AtomicInteger kept = new AtomicInteger();
    private final int most;

    /** @param most buffers to keep */
    public ChunkBuffers(int most) {
        this.most = most;
    }

    /** Memory that goes back with {@link #close}. */
    public final class Buffer implements AutoCloseable {
        private final MemorySegment memory;

        private Buffer(MemorySegment memory) {
            this.memory = memory;
        }

        public MemorySegment memory() {
            return memory;
        }

        @Override
        public void close() {
            if (memory.byteSize() == USUAL_BYTES) {
                if (kept.incrementAndGet() <= most) {
                    idle.push(this);
                } else {
                    kept.decrementAndGet();
                }
            }
        }
    }

    /** A buffer of at least that size. */
    public Buffer take(long bytes) {
        if (bytes > USUAL_BYTES) {
            return new Buffer(Arena.ofAuto().allocate(bytes, 4096));
        }
        var buffer = idle.poll();
        if (buffer == null) {
            return new Buffer(Arena.ofAuto().allocate(USUAL_BYTES, 4096));
        }
        kept.decrementAndGet();
        return buffer;
    }
}
