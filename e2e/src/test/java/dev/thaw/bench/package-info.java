@NullMarked
package dev.thaw.bench;

import org.jspecify.annotations.NullMarked;
