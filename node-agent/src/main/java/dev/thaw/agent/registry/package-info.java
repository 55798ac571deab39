/** How the agent reaches registries: settings, credentials, and the images that a configuration file names. */
@NullMarked
package dev.thaw.agent.registry;

import org.jspecify.annotations.NullMarked;
