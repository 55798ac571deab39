package dev.thaw.rafs.scan;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayDeque;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The decoded bytes of a compressed layer, and on the way the places where it can be entered. One thread reads; another may ask, about
 * positions that have been read, in ascending order.
 */
public abstract class LayerScan extends InputStream {
    private record Step(long outOffset, long inOffset) {}

    private final ReentrantLock lock = new ReentrantLock();
    private final ArrayDeque<Checkpoint> checkpoints = new ArrayDeque<>();
    private final ArrayDeque<Step> steps = new ArrayDeque<>();

    @Override
    public final int read() throws IOException {
        var one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public abstract int read(byte[] into, int from, int length) throws IOException;

    /** So many stored bytes have made so many decoded ones. */
    protected final void note(long outOffset, long inOffset) {
        lock.lock();
        try {
            steps.addLast(new Step(outOffset, inOffset));
        } finally {
            lock.unlock();
        }
    }

    /** The stream can be entered here. */
    protected final void note(Checkpoint checkpoint) {
        lock.lock();
        try {
            checkpoints.addLast(checkpoint);
        } finally {
            lock.unlock();
        }
    }

    /** The last checkpoint at or before a position. Those before it are forgotten. */
    public final Checkpoint checkpoint(long outOffset) {
        lock.lock();
        try {
            var found = checkpoints.peekFirst();
            if (found == null || found.outOffset() > outOffset) {
                throw new IllegalArgumentException(
                        "byte " + outOffset + " was not read, or something behind it was asked");
            }
            while (true) {
                checkpoints.removeFirst();
                var next = checkpoints.peekFirst();
                if (next == null || next.outOffset() > outOffset) {
                    checkpoints.addFirst(found);
                    return found;
                }
                found = next;
            }
        } finally {
            lock.unlock();
        }
    }

    /** Forgets all checkpoints so far: nobody will ask any more. */
    public final void forget() {
        lock.lock();
        try {
            checkpoints.clear();
            steps.clear();
        } finally {
            lock.unlock();
        }
    }

    /** So many bytes of the stored stream are enough to decode it up to a position, and not many more than needed. */
    public final long storedEnd(long outOffset) {
        lock.lock();
        try {
            for (var step = steps.peekFirst(); step != null; step = steps.peekFirst()) {
                if (step.outOffset >= outOffset) {
                    return step.inOffset;
                }
                steps.removeFirst();
            }
        } finally {
            lock.unlock();
        }
        throw new IllegalArgumentException("byte " + outOffset + " was not read");
    }
}
