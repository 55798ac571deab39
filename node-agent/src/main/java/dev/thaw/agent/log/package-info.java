/** The log: SLF4J's loggers, which write lines to standard error. */
@NullMarked
package dev.thaw.agent.log;

import org.jspecify.annotations.NullMarked;
