package dev.thaw.agent.fetch;

/** What a reader sees when nothing could be fetched for as long as the read timeout. */
public enum OnFailure {
    /** Nothing: it goes on waiting. */
    BLOCK,
    /** An input/output error. */
    ERROR
}
