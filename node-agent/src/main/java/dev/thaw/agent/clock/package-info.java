/** The cold-start clock: when a pull began, the root was mounted, the process started. */
@NullMarked
package dev.thaw.agent.clock;

import org.jspecify.annotations.NullMarked;
