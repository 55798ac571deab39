@NullMarked
package dev.thaw.rafs;

import org.jspecify.annotations.NullMarked;
