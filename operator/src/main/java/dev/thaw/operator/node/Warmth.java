package dev.thaw.operator.node;

/**
 * How far the warm-up of one image is.
 *
 * @param wanted what nodes are told to hold now
 * @param eligible nodes that the selector names and that have an agent
 * @param warm those of them that hold what is wanted
 * @param failing those that cannot for now
 * @param failure what one of these says; empty without any
 */
public record Warmth(WarmLevel wanted, int eligible, int warm, int failing, String failure) {}
