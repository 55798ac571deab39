/** What starts read, as a node without an operator learns it. */
@NullMarked
package dev.thaw.agent.learn;

import org.jspecify.annotations.NullMarked;
