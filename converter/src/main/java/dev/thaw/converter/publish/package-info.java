/** The documents that make up a lazy image. Each is a pure function of its arguments, so that equal sources give equal digests. */
@NullMarked
package dev.thaw.converter.publish;

import org.jspecify.annotations.NullMarked;
