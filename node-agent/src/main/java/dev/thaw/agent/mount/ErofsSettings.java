package dev.thaw.agent.mount;

import java.nio.file.Path;

/**
 * Where the driver puts what it mounts.
 *
 * @param mounts directory under which images are mounted
 * @param detached directory under which they are mounted a second time once their blobs are whole
 * @param devices directory on which the device files are mounted
 * @param deviceTable file that remembers the devices' numbers
 * @param holder socket of the process that holds the session
 * @param readAheadKiB of each image's mount through the agent while something of it is missing: a fault in a mapped file reads
 *     as much around it, and all of that waits for the chunks that it touches; who reads from front to back is followed by the
 *     agent itself. Mounts of whole images read ahead as their disk does, but not less; detached ones just as their disk does
 * @param threads that take requests from the kernel
 */
public record ErofsSettings(
        Path mounts, Path detached, Path devices, Path deviceTable, Path holder, int readAheadKiB, int threads) {
    /** What was measured to be best for most. */
    public static ErofsSettings under(Path root, Path holder) {
        return new ErofsSettings(
                root.resolve("mounts"),
                root.resolve("detached"),
                root.resolve("devices"),
                root.resolve("devices.json"),
                holder,
                256,
                Math.clamp(Runtime.getRuntime().availableProcessors(), 2, 4));
    }
}
