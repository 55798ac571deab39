/** Tests of the model, and the program that writes the CustomResourceDefinitions. */
@NullMarked
package dev.thaw.crds;

import org.jspecify.annotations.NullMarked;
