/** The operator's one door to registries, and to the Secrets that open them. */
@NullMarked
package dev.thaw.operator.registry;

import org.jspecify.annotations.NullMarked;
