@NullMarked
package dev.thaw.agent.config;

import org.jspecify.annotations.NullMarked;
