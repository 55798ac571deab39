package dev.thaw.agent.mount;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.MountFailed;
import dev.thaw.agent.config.AgentSettings.Driver;
import io.micrometer.core.instrument.MeterRegistry;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
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

    /** Where an image is mounted, or would be, by {@link #mount}. */
    Path point(String image);

    /** Images whose reads have waited for this process since the one before it ended. */
    Set<String> takenOver();

    /** Whether somebody waits right now for a read that this process has taken and not yet answered. */
    boolean isWaitedFor();

    /**
     * Mounts an image, or finds it mounted: by this process, or by one before it whose mounts are still good.
     *
     * @return the root of the image's tree
     */
    Path mount(MountableImage image) throws MountFailed;

    /**
     * Tells whether all of a mounted image is on disk, as often as one likes. Where it is, nobody who reads ahead waits for a
     * registry, and the kernel may read ahead as far as on the disk; else it reads ahead only little.
     *
     * @param blobs the image's files on the disk
     */
    void readAhead(String image, List<Path> blobs, boolean whole);

    /** Whether {@link #detach} works with this driver. */
    boolean canDetach();

    /**
     * Mounts an image beside its mount, with nothing of the agent in the way: the kernel reads the blobs' files, and goes on
     * when this process ends. Or finds it mounted so. Until the mount ends nothing may be taken out of the files, even if it
     * is not in sight any more: an overlay keeps what it stands on.
     *
     * @param blobs whole files on a local file system, in the order of the bootstrap's device table
     * @return the root of the image's tree
     */
    Path detach(MountableImage image, List<Path> blobs) throws MountFailed;

    /** The detached mount of an image, if there is one: made by this process or by one before it. */
    Optional<Path> detached(String image);

    /** Takes the detached mount of an image out of sight; it ends when the last container on it does. */
    void endDetached(String image) throws MountFailed;

    /** Takes the mounts of an image away; reads of the one that is not detached fail from now on. Nothing mounted is no error. */
    void unmount(String image) throws MountFailed;

    /** Takes away all mounts that an earlier process left, but for those named. Comes after they were mounted again. */
    void retain(Set<String> images) throws MountFailed;

    /**
     * Comes before what images are read from is closed. Where another process can go on serving, nothing is answered from then on
     * that this one would have to refuse: readers wait for the next. Elsewhere nothing happens yet.
     */
    void leave();

    /** Ends service. Mounts that need none, or that another process can go on serving, stay; others are taken away. */
    @Override
    void close() throws MountFailed;
}
