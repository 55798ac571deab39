package dev.thaw.agent.mount;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.MountFailed;
import dev.thaw.agent.config.AgentSettings.Driver;
import io.micrometer.core.instrument.MeterRegistry;
import java.nio.file.Path;
import java.util.Set;

/** One way to make an image a mounted tree. Safe for use by many threads. */
public interface MountDriver extends AutoCloseable {
    /**
     * The driver that the configuration asks for, or the best one that works here.
     *
     * @param root the agent's directory; images are mounted in {@code mounts} below it
     * @param holder socket of the process that keeps mounts alive
     * @throws AgentException when the driver that was asked for, or every driver, does not work here
     */
    static MountDriver choose(Driver choice, Path root, Path holder, MeterRegistry registry) throws AgentException {
        return DriverChoice.make(choice, root, holder, registry);
    }

    /** {@code erofs} or {@code fuse}. */
    String name();

    /** Why this driver and no other, in a sentence for people. */
    String reason();

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
