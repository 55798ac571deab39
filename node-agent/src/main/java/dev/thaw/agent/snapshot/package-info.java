/** containerd's snapshot service: ordinary overlay snapshots, and claims on lazy images. */
@NullMarked
package dev.thaw.agent.snapshot;

import org.jspecify.annotations.NullMarked;
