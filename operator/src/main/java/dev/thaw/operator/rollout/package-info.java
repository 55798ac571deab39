/**
 * From a SnapshotterConfig to agents on nodes, and back again: DaemonSets, their configuration, RuntimeClasses, the node
 * label that lets lazy pods in, and the way in which containerd's configuration is taken back.
 */
@NullMarked
package dev.thaw.operator.rollout;

import org.jspecify.annotations.NullMarked;
