package dev.thaw.agent.image;

/** What of an image is fetched before it is read. */
public enum PrefetchPolicy {
    /** What earlier starts read, and the named paths; this node's first start is recorded. */
    LEARN,
    /** What every start reads, and the named paths. */
    PATHS,
    /** Nothing. */
    OFF
}
