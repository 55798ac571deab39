package dev.thaw.demo;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * What must be undone, newest first: once, whether the demo ends well, fails or is interrupted. Things are made while
 * this is locked, so that nothing is made that nobody takes away again.
 */
final class Cleanup implements AutoCloseable {
    /** Makes something that has to be closed. */
    interface Maker<T extends AutoCloseable> {
        T make() throws Exception;
    }

    private final Deque<AutoCloseable> made = new ArrayDeque<>();
    private volatile boolean closed;

    /** Makes something and remembers to close it. */
    synchronized <T extends AutoCloseable> T keep(Maker<T> maker) throws Exception {
        if (closed) {
            throw new InterruptedException("the demo is ending");
        }
        var thing = maker.make();
        made.push(thing);
        return thing;
    }

    /** Whether the demo is ending: what fails from now on fails because of that. */
    boolean isClosed() {
        return closed;
    }

    /** What went wrong on the way is told, and hinders nothing else. */
    @Override
    public synchronized void close() {
        closed = true;
        while (!made.isEmpty()) {
            try {
                made.pop().close();
            } catch (Exception e) {
                System.err.println("demo: could not clean up: " + e.getMessage());
            }
        }
    }
}
