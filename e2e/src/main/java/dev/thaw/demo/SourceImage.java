package dev.thaw.demo;

import dev.thaw.oci.Reference;

/**
 * An image in the embedded registry, as anybody would have pushed it.
 *
 * @param layers how many it has
 * @param bytes of its compressed layers: what an ordinary pull has to fetch before anything starts
 */
record SourceImage(Reference reference, int layers, long bytes) {}
