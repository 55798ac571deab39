package dev.thaw.agent.mount;

import dev.thaw.agent.fetch.Device;
import dev.thaw.rafs.Bootstrap;
import java.nio.file.Path;
import java.util.List;

/**
 * What a driver needs to mount an image.
 *
 * @param name of the mount point's last part: hex of the artifact's digest
 * @param bootstrapFile on a local file system
 * @param bootstrap the same, opened; stays open as long as the mount
 * @param devices one for each blob, in the order of the bootstrap's device table
 */
public record MountableImage(String name, Path bootstrapFile, Bootstrap bootstrap, List<? extends Device> devices) {
    public MountableImage {
        devices = List.copyOf(devices);
    }
}
