/** The whole system on a real cluster. */
@NullMarked
package dev.thaw.e2e;

import org.jspecify.annotations.NullMarked;
