package dev.thaw.agent.mount;

import dev.thaw.agent.AgentException.MountFailed;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The driver of a machine that mounts nothing: images are claimed, fetched and checked, and no container can stand on them.
 *
 * @param root where mounts would be
 * @param reason why nothing can be mounted
 */
public record NoMounts(Path root, String reason) implements MountDriver {
    @Override
    public String name() {
        return "none";
    }

    @Override
    public boolean survivesRestart() {
        return false;
    }

    @Override
    public Path point(String image) {
        return root.resolve("mounts").resolve(image);
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
        throw new MountFailed(point(image.name()), reason, null);
    }

    @Override
    public void readAhead(String image, List<Path> blobs, boolean whole) {}

    @Override
    public boolean canDetach() {
        return false;
    }

    @Override
    public Path detach(MountableImage image, List<Path> blobs) throws MountFailed {
        throw new MountFailed(point(image.name()), reason, null);
    }

    @Override
    public Optional<Path> detached(String image) {
        return Optional.empty();
    }

    @Override
    public void endDetached(String image) {}

    @Override
    public void unmount(String image) {}

    @Override
    public void retain(Set<String> images) {}

    @Override
    public void leave() {}

    @Override
    public void close() {}
}
