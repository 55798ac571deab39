@NullMarked
package dev.thaw.operator.image;

import org.jspecify.annotations.NullMarked;
