package dev.thaw.agent.image;

import dev.thaw.agent.mount.MountDriver;
import dev.thaw.agent.mount.MountableImage;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;

/** Mounts nothing, but hands out what would be mounted. */
final class UnmountedImages implements MountDriver {
    private final Map<String, MountableImage> mounted = new ConcurrentHashMap<>();
    private final BooleanSupplier waitedFor;

    UnmountedImages() {
        this(() -> false);
    }

    UnmountedImages(BooleanSupplier waitedFor) {
        this.waitedFor = waitedFor;
    }

    MountableImage mounted(String image) {
        return Objects.requireNonNull(mounted.get(image), () -> image + " is not mounted");
    }

    boolean isMounted(String image) {
        return mounted.containsKey(image);
    }

    @Override
    public String name() {
        return "none";
    }

    @Override
    public String reason() {
        return "for tests";
    }

    @Override
    public boolean survivesRestart() {
        return true;
    }

    @Override
    public Path point(String image) {
        return Path.of("/nowhere", image);
    }

    @Override
    public Set<String> takenOver() {
        return Set.of();
    }

    @Override
    public boolean isWaitedFor() {
        return waitedFor.getAsBoolean();
    }

    @Override
    public Path mount(MountableImage image) {
        mounted.put(image.name(), image);
        return point(image.name());
    }

    @Override
    public void readAhead(String image, List<Path> blobs, boolean whole) {}

    @Override
    public boolean canDetach() {
        return false;
    }

    @Override
    public Path detach(MountableImage image, List<Path> blobs) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Optional<Path> detached(String image) {
        return Optional.empty();
    }

    @Override
    public void endDetached(String image) {}

    @Override
    public void unmount(String image) {
        mounted.remove(image);
    }

    @Override
    public void retain(Set<String> images) {
        mounted.keySet().retainAll(images);
    }

    @Override
    public void leave() {}

    @Override
    public void close() {
        mounted.clear();
    }
}
