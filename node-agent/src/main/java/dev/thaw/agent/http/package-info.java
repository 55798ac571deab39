@NullMarked
package dev.thaw.agent.http;

import org.jspecify.annotations.NullMarked;
