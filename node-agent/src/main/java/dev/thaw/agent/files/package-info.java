/** What the JDK leaves to do with files. */
@NullMarked
package dev.thaw.agent.files;

import org.jspecify.annotations.NullMarked;
