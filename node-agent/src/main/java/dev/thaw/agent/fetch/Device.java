package dev.thaw.agent.fetch;

import dev.thaw.agent.AgentException.ReadFailed;
import java.lang.foreign.MemorySegment;

/** A sequence of bytes that mounts read; some of it may have to be fetched first. Safe for use by many threads. */
public interface Device {
    long sizeBytes();

    /**
     * Reads a range that is on disk already. Never waits for the network.
     *
     * @param length at least 1, and within the device
     * @param target native memory
     * @return false when some of it must be fetched; then call {@link #read}
     */
    boolean readCached(long offset, int length, MemorySegment target) throws ReadFailed;

    /** Reads a range and waits for what is missing of it. Parameters are those of {@link #readCached}. */
    void read(long offset, int length, MemorySegment target) throws ReadFailed, InterruptedException;
}
