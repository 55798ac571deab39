package dev.thaw.converter.report;

/** Is told how far the work is, from many threads at once. */
public interface Progress {
    /** A phase begins; the one before is over. */
    void begin(Phase phase, long bytesTotal);

    /** So many more bytes of the phase are done. */
    void advance(long bytes);

    /** One sentence for people. */
    void say(String sentence);

    /** Nothing more will come. */
    default void end() {}

    /** Tells nobody. */
    static Progress silent() {
        return new Progress() {
            @Override
            public void begin(Phase phase, long bytesTotal) {}

            @Override
            public void advance(long bytes) {}

            @Override
            public void say(String sentence) {}
        };
    }
}
