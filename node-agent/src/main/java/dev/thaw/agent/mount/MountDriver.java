package dev.thaw.agent.mount;

import dev.thaw.agent.AgentException.MountFailed;
import java.nio.file.Path;
import java.util.Set;

/** One way to make an image a mounted tree. Safe for use by many threads. */
public interface MountDriver extends AutoCloseable {
    /** {@code erofs} or {@code fuse}. */
    String name();

    /** Whether containers go on reading when this process ends and another one takes its place. */
    boolean survivesRestart();

    /**
     * Mounts an image, or finds it mounted: by this process, or by one before it whose mounts are still good.
     *
     * @return the root of the image's tree
     */
    Path mount(MountableImage image) throws MountFailed;

    /** Takes a mount away; reads of it fail from now on. Nothing mounted is no error. */
    void unmount(String image) throws MountFailed;

    /** Takes away all mounts that an earlier process left, but for those named. Comes after they were mounted again. */
    void retain(Set<String> images) throws MountFailed;

    /** Ends service. Mounts that another process can go on serving stay; others are taken away. */
    @Override
    void close() throws MountFailed;
}
