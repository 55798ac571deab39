package dev.thaw.agent.fetch;

/** Neighbouring chunks of a blob, {@code first} to {@code last}, both included. */
public record Span(LazyBlob blob, int first, int last) {}
