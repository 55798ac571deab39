package dev.thaw.agent.image;

import dev.thaw.agent.mount.MountDriver;
import dev.thaw.agent.mount.MountableImage;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Mounts nothing, but hands out what would be mounted. */
final class UnmountedImages implements MountDriver {
    private final Map<String, MountableImage> mounted = new ConcurrentHashMap<>();

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
    public Path mount(MountableImage image) {
        mounted.put(image.name(), image);
        return Path.of("/nowhere", image.name());
    }

    @Override
    public void unmount(String image) {
        mounted.remove(image);
    }

    @Override
    public void retain(Set<String> images) {
        mounted.keySet().retainAll(images);
    }

    @Override
    public void close() {
        mounted.clear();
    }
}
