@NullMarked
package dev.thaw.agent.install;

import org.jspecify.annotations.NullMarked;
