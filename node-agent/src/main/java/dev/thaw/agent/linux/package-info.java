/** The system calls that the JDK does not offer, bound to libc by the foreign function API. Knows nothing of images. */
@NullMarked
package dev.thaw.agent.linux;

import org.jspecify.annotations.NullMarked;
