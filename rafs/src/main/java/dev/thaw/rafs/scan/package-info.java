/** What is learnt of a compressed layer while it is decoded once: where it can be entered later. */
@NullMarked
package dev.thaw.rafs.scan;

import org.jspecify.annotations.NullMarked;
