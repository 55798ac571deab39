package dev.thaw.agent.mount;

import dev.thaw.agent.AgentException.Misconfigured;
import dev.thaw.agent.AgentException.MountFailed;
import dev.thaw.agent.linux.Mounts;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The portable driver: the whole tree of an image by FUSE, for kernels that do not mount EROFS from files. Its mounts end with
 * the process: libfuse numbers files as it meets them, so no other process can go on answering for them.
 */
public final class FuseDriver implements MountDriver {
    private final Path mounts;
    private final FuseMetrics metrics;
    private final String reason;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<String, FuseMount> mounted = new HashMap<>();

    private FuseDriver(Path mounts, FuseMetrics metrics, String reason) {
        this.mounts = mounts;
        this.metrics = metrics;
        this.reason = reason;
    }

    /**
     * Takes away what an earlier process left dead under the directory.
     *
     * @param reason why this driver was chosen
     * @throws Misconfigured when libfuse is not installed
     */
    public static FuseDriver start(Path mounts, MeterRegistry registry, String reason)
            throws MountFailed, Misconfigured {
        LibFuseTree.requireLibrary();
        try {
            Files.createDirectories(mounts);
            Mounts.detachAll(mounts);
        } catch (IOException e) {
            throw new MountFailed(mounts, "what an earlier process left cannot be unmounted: " + e.getMessage(), e);
        }
        return new FuseDriver(mounts, new FuseMetrics(registry, "fuse"), reason);
    }

    @Override
    public String name() {
        return "fuse";
    }

    @Override
    public String reason() {
        return reason;
    }

    @Override
    public boolean survivesRestart() {
        return false;
    }

    @Override
    public Path point(String image) {
        return mounts.resolve(image);
    }

    @Override
    public Set<String> takenOver() {
        return Set.of();
    }

    @Override
    public boolean isWaitedFor() {
        return false;
    }

    @Override
    public Path mount(MountableImage image) throws MountFailed {
        var point = mounts.resolve(image.name());
        lock.lock();
        try {
            var mount = mounted.get(image.name());
            if (mount == null || !mount.isServing()) {
                Mounts.detachAll(point);
                Files.createDirectories(point);
                mounted.put(image.name(), FuseMount.mount(point, new ImageTree(image), metrics));
            }
            return point;
        } catch (IOException e) {
            throw new MountFailed(point, "FUSE cannot be mounted: " + e.getMessage(), e);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void readAhead(String image, List<Path> blobs, boolean whole) {
        // libfuse reads ahead as far as its mount option says.
    }

    @Override
    public boolean canDetach() {
        return false;
    }

    @Override
    public Path detach(MountableImage image, List<Path> blobs) throws MountFailed {
        throw new MountFailed(mounts.resolve(image.name()), "driver fuse serves every read itself", null);
    }

    @Override
    public Optional<Path> detached(String image) {
        return Optional.empty();
    }

    @Override
    public void endDetached(String image) {}

    @Override
    public void unmount(String image) throws MountFailed {
        var point = mounts.resolve(image);
        lock.lock();
        try {
            var mount = mounted.remove(image);
            if (mount != null) {
                mount.close();
            }
            Mounts.detachAll(point);
            Files.deleteIfExists(point);
        } catch (IOException e) {
            throw new MountFailed(point, "cannot be unmounted: " + e.getMessage(), e);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void retain(Set<String> images) throws MountFailed {
        for (var image : Set.copyOf(mounted.keySet())) {
            if (!images.contains(image)) {
                unmount(image);
            }
        }
    }

    @Override
    public void leave() {}

    @Override
    public void close() throws MountFailed {
        retain(Set.of());
    }
}
