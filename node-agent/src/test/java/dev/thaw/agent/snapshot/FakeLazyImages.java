package dev.thaw.agent.snapshot;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.UnknownImage;
import dev.thaw.agent.image.LazyImages;
import dev.thaw.oci.Digest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;

/** Lazy images whose mounted root is a plain directory. */
public final class FakeLazyImages implements LazyImages {
    private final Path root;
    private final Map<Digest, Integer> known = new HashMap<>();
    private Optional<AgentException> failure = Optional.empty();
    public final List<Digest> claims = new CopyOnWriteArrayList<>();
    public final List<Digest> mounts = new CopyOnWriteArrayList<>();
    public final List<Digest> released = new CopyOnWriteArrayList<>();
    public final List<Digest> idle = new CopyOnWriteArrayList<>();
    public final List<Set<String>> restored = new ArrayList<>();

    public FakeLazyImages(Path root) {
        this.root = root;
    }

    /** Makes an image known, of so many layers, the marker included. */
    public void know(Digest image, int layers) {
        known.put(image, layers);
    }

    public void forget(Digest image) {
        known.remove(image);
    }

    public void failToMount(AgentException why) {
        failure = Optional.of(why);
    }

    public void mountAgain() {
        failure = Optional.empty();
    }

    public Path rootOf(Digest image) {
        return root.resolve(image.hex()).resolve("root");
    }

    @Override
    public boolean claim(Digest artifact) {
        claims.add(artifact);
        return known.containsKey(artifact);
    }

    @Override
    public int layers(Digest artifact) throws AgentException {
        var layers = known.get(artifact);
        if (layers == null) {
            throw new UnknownImage(artifact, "is not here");
        }
        return layers;
    }

    @Override
    public Path mount(Digest artifact) throws AgentException {
        layers(artifact);
        if (failure.isPresent()) {
            throw failure.get();
        }
        mounts.add(artifact);
        try {
            return Files.createDirectories(rootOf(artifact));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void release(Digest artifact) {
        released.add(artifact);
    }

    @Override
    public void idle(Digest artifact) {
        idle.add(artifact);
    }

    @Override
    public void restore(Collection<Digest> inUse) {
        var digests = new TreeSet<String>();
        inUse.forEach(digest -> digests.add(digest.toString()));
        restored.add(digests);
    }
}
