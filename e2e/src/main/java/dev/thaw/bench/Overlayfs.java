package dev.thaw.bench;

import java.nio.file.Path;
import java.util.Optional;

/** containerd as it comes: layers are downloaded and unpacked before anything starts. */
final class Overlayfs implements Contender {
    @Override
    public String name() {
        return "overlayfs";
    }

    @Override
    public Optional<String> missing(Programs programs) {
        return Optional.empty();
    }

    @Override
    public void publish(String image, Registry registry, Programs programs, Path work) {
        // it takes the image as it is
    }

    @Override
    public String reference(String image) {
        return Registry.linked(image).toString();
    }

    @Override
    public Optional<Snapshotter> snapshotter(Workload workload, Path kept) {
        return Optional.empty();
    }
}
