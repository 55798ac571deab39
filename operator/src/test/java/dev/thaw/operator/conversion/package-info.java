@NullMarked
package dev.thaw.operator.conversion;

import org.jspecify.annotations.NullMarked;
