/** Tests of the chart, rendered by Helm itself. */
@NullMarked
package dev.thaw.helm;

import org.jspecify.annotations.NullMarked;
