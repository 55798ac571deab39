package dev.thaw.converter.registry;

import java.util.concurrent.atomic.LongAdder;

/** Bytes of content that went over the network; requests and headers are not counted. */
public final class Traffic {
    private final LongAdder read = new LongAdder();
    private final LongAdder pushed = new LongAdder();

    void addRead(long bytes) {
        read.add(bytes);
    }

    void addPushed(long bytes) {
        pushed.add(bytes);
    }

    public long bytesRead() {
        return read.sum();
    }

    public long bytesPushed() {
        return pushed.sum();
    }
}
