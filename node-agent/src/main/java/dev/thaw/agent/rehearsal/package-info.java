/**
 * A play in which the agent is the only real part: a registry, an operator and a containerd on loopback with lazy images that
 * are a megabyte large. Whoever watches learns what the agent will need.
 */
@NullMarked
package dev.thaw.agent.rehearsal;

import org.jspecify.annotations.NullMarked;
