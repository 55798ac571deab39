/** Images as mounted file systems: by the kernel's EROFS over devices that the agent serves, or by FUSE alone. */
@NullMarked
package dev.thaw.agent.mount;

import org.jspecify.annotations.NullMarked;
