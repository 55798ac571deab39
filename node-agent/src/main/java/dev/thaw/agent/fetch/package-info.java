/** Brings chunks from a registry to the cache: what is asked for first, what will be asked for next, the rest last. */
@NullMarked
package dev.thaw.agent.fetch;

import org.jspecify.annotations.NullMarked;
