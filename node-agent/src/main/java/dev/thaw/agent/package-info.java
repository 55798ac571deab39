@NullMarked
package dev.thaw.agent;

import org.jspecify.annotations.NullMarked;
