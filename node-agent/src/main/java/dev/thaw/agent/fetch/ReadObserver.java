package dev.thaw.agent.fetch;

/** Hears of reads of one blob. Calls come from the threads that read, so they must cost next to nothing. */
@FunctionalInterface
public interface ReadObserver {
    /** Hears nothing. */
    ReadObserver NONE = (first, last) -> {};

    /** A process reads from the chunks {@code first} to {@code last}, some of which the image may not know. */
    void read(int first, int last);
}
