/** How fast images are converted: whole programs side by side, Thaw's and others. */
@NullMarked
package dev.thaw.bench.convert;

import org.jspecify.annotations.NullMarked;
