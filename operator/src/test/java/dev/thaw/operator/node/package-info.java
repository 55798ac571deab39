@NullMarked
package dev.thaw.operator.node;

import org.jspecify.annotations.NullMarked;
