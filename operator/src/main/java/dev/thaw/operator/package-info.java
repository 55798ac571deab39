@NullMarked
package dev.thaw.operator;

import org.jspecify.annotations.NullMarked;
