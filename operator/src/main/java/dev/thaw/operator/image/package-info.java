/** Brings a lazy image from "wanted" to "ready": looks at the cluster and the registry, decides, writes the status. */
@NullMarked
package dev.thaw.operator.image;

import org.jspecify.annotations.NullMarked;
