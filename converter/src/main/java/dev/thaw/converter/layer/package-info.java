/**
 * A source layer as containerd would unpack it: decompressed, its digests checked while it streams by, its paths cleaned and kept
 * inside the root.
 */
@NullMarked
package dev.thaw.converter.layer;

import org.jspecify.annotations.NullMarked;
