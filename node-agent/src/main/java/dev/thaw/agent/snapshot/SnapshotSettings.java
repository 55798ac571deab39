package dev.thaw.agent.snapshot;

import java.nio.file.Path;
import java.util.List;

/**
 * How the snapshotter is set up.
 *
 * @param directory where ordinary snapshots keep their files: same path in the agent and on the host, on a file system that
 *     overlayfs takes as upper directory
 * @param overlayOptions added to every overlay mount
 * @param remapIds whether the proxy plugin declares the capability {@code remap-ids}
 */
public record SnapshotSettings(Path directory, List<String> overlayOptions, boolean remapIds) {
    public SnapshotSettings {
        overlayOptions = List.copyOf(overlayOptions);
    }

    /** The options that containerd's own snapshotter would use on this kernel, and no remapping. */
    public static SnapshotSettings in(Path directory) {
        return new SnapshotSettings(directory, RootShape.kernelOptions(), false);
    }
}
