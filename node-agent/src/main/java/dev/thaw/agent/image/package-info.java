/** Lazy images as the rest of the agent sees them: the table of those that may be served, and those that are. */
@NullMarked
package dev.thaw.agent.image;

import org.jspecify.annotations.NullMarked;
