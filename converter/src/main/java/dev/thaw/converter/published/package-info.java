/** Lazy images as they lie in a registry: read back, described, and compared with their source. */
@NullMarked
package dev.thaw.converter.published;

import org.jspecify.annotations.NullMarked;
