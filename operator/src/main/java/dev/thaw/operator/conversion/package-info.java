/** The Job that converts one image: its shape, and what is read back from it. Knows no client. */
@NullMarked
package dev.thaw.operator.conversion;

import org.jspecify.annotations.NullMarked;
