package dev.thaw.agent.image;

/** When the part of an image that nobody read yet is fetched. */
public enum BackgroundFetch {
    /** From the first mount on. */
    ALWAYS,
    /** From the start of the first container on. */
    AFTER_READY,
    /** What is read is fetched, nothing else. */
    NEVER
}
