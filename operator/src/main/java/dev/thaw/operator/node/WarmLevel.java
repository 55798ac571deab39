package dev.thaw.operator.node;

/** How much of an image a node holds for a warm-up. Each level holds those before it. */
public enum WarmLevel {
    NONE,
    /** The file tree. */
    METADATA,
    /** What its entrypoint cannot do without, and the prefetch paths. */
    ENTRYPOINT,
    /** What starts read. */
    TRACE,
    /** Everything. */
    FULL
}
