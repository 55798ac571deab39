/**
 * The converter's side of registries: what is read from the source and written to the target, counted, and with every failure
 * told by which side it happened on.
 */
@NullMarked
package dev.thaw.converter.registry;

import org.jspecify.annotations.NullMarked;
