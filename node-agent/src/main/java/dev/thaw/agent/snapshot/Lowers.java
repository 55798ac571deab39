package dev.thaw.agent.snapshot;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What a snapshot stands on.
 *
 * @param ordinary ids of the ordinary layers, nearest first
 * @param image the mounted root of the lazy image below those, if there is one
 */
record Lowers(List<Long> ordinary, Optional<Path> image) {
    static final Lowers NONE = new Lowers(List.of(), Optional.empty());

    Lowers {
        ordinary = List.copyOf(ordinary);
    }

    int count() {
        return ordinary.size() + (image.isPresent() ? 1 : 0);
    }
}
