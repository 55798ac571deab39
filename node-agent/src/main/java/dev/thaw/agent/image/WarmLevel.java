package dev.thaw.agent.image;

/** How much of an image a node holds before any container asks for it. Each level holds those before it. */
public enum WarmLevel {
    /** The file tree. */
    METADATA,
    /** What its entrypoint cannot do without, and the named paths. */
    ENTRYPOINT,
    /** What starts read. */
    TRACE,
    /** Everything. */
    FULL
}
