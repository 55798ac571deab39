@NullMarked
package dev.thaw.operator.registry;

import org.jspecify.annotations.NullMarked;
