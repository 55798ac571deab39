/**
 * Pods that ask for lazy images: what the webhook makes of them, and the pods that wait for a conversion. Every doubt ends
 * with the pod as its author wrote it.
 */
@NullMarked
package dev.thaw.operator.admission;

import org.jspecify.annotations.NullMarked;
