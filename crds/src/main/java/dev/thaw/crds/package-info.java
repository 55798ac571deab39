@NullMarked
package dev.thaw.crds;

import org.jspecify.annotations.NullMarked;
