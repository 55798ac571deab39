@NullMarked
package dev.thaw.oci;

import org.jspecify.annotations.NullMarked;
