/** Which files of an image a program cannot start without, found as kernel and loader find them. */
@NullMarked
package dev.thaw.agent.program;

import org.jspecify.annotations.NullMarked;
