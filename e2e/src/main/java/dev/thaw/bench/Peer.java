package dev.thaw.bench;

import dev.thaw.demo.Child;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A system of others: a daemon of its own, and images that its own tools made, under a tag beside the source's. */
abstract sealed class Peer implements Contender permits Stargz, Soci, Nydus {
    private final String name;
    private final String tag;
    private final String snapshotter;
    private final List<String> needed;

    /**
     * @param name as the tables call it
     * @param tag of its images
     * @param snapshotter containerd's name of it
     * @param needed programs without which there is nothing to measure
     */
    Peer(String name, String tag, String snapshotter, List<String> needed) {
        this.name = name;
        this.tag = tag;
        this.snapshotter = snapshotter;
        this.needed = List.copyOf(needed);
    }

    @Override
    public final String name() {
        return name;
    }

    @Override
    public final Optional<String> missing(Programs programs) {
        return programs.missing(needed.toArray(String[]::new));
    }

    @Override
    public final void publish(String image, Registry registry, Programs programs, Path work)
            throws IOException, InterruptedException {
        var target = Registry.direct(image).withTag(tag);
        if (registry.has(target)) {
            return;
        }
        var folder = Files.createDirectories(work.resolve(tag));
        try {
            make(image, target, registry, programs, folder);
        } finally {
            // several times the image
            Child.run(List.of("rm", "-rf", folder.toString()));
        }
    }

    /** Makes and pushes its form of an image; {@code work} is a folder of its own. */
    abstract void make(String image, Reference target, Registry registry, Programs programs, Path work)
            throws IOException, InterruptedException;

    /** How its daemon is started, whose socket and folder are given. Settings may be written into that folder. */
    abstract List<String> command(Programs programs, Path folder, Path socket) throws IOException;

    /** The image's layout, as it was made for the registry. */
    static Path layout(Path work, String image) {
        return work.resolve("../../layouts").normalize().resolve(image);
    }

    @Override
    public final String reference(String image) {
        return Registry.linked(image).withTag(tag).toString();
    }

    @Override
    public final Optional<Snapshotter> snapshotter(Workload workload, Path kept) {
        return Optional.of(new Snapshotter() {
            @Override
            public String name() {
                return snapshotter;
            }

            @Override
            public List<Child> start(Programs programs, Path folder, Path socket, Path containerd)
                    throws IOException, InterruptedException {
                var command = command(programs, folder, socket);
                var daemon = Child.start(
                        snapshotter,
                        command,
                        Map.of("PATH", programs.searchPath()),
                        folder.resolve(snapshotter + ".log"));
                daemon.awaitFile(socket);
                return List.of(daemon);
            }
        });
    }
}
