@NullMarked
package dev.thaw.agent.node;

import org.jspecify.annotations.NullMarked;
