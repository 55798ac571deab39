/** The whole system in a few processes on one machine: embedded registry and Kubernetes API, everything else real. */
@NullMarked
package dev.thaw.demo;

import org.jspecify.annotations.NullMarked;
