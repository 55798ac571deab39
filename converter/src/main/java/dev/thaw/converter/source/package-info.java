/** The image that is to be converted: which of its platforms are meant, and whether each of them can be converted. */
@NullMarked
package dev.thaw.converter.source;

import org.jspecify.annotations.NullMarked;
