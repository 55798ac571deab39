package dev.thaw.bench;

import dev.thaw.agent.containerd.types.Mount;
import dev.thaw.demo.Child;
import dev.thaw.demo.Snapshotter;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageManifest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** One image as a container's root in different ways, side by side: unpacked on overlayfs, and by Thaw's agent. */
final class ReadRoots implements AutoCloseable {
    private final Path folder;
    private final Deque<Path> mounted = new ArrayDeque<>();

    ReadRoots(Path folder) throws IOException {
        this.folder = Files.createDirectories(folder);
    }

    /** As containerd's own snapshotter makes it. */
    Path unpacked(List<Path> layers) throws IOException {
        var lowers = new ArrayList<String>();
        for (int number = 0; number < layers.size(); number++) {
            var lower = Files.createDirectories(folder.resolve("layer-" + number));
            Child.run(List.of("tar", "-xzf", layers.get(number).toString(), "-C", lower.toString()));
            lowers.addFirst(lower.toString());
        }
        var upper = Files.createDirectories(folder.resolve("upper"));
        var work = Files.createDirectories(folder.resolve("work"));
        return mount(
                "overlayfs",
                Mount.newBuilder()
                        .setType("overlay")
                        .setSource("overlay")
                        .addOptions("lowerdir=" + String.join(":", lowers))
                        .addOptions("upperdir=" + upper)
                        .addOptions("workdir=" + work)
                        .build());
    }

    /**
     * Offers an image's layers to the agent.
     *
     * @param diffIds of the layers, as the image's configuration has them
     * @return the name of all layers together
     */
    static String offer(Snapshotter agent, ImageManifest manifest, List<String> diffIds) throws IOException {
        var top = "";
        for (int number = 0; number < diffIds.size(); number++) {
            var diffId = diffIds.get(number);
            // see "Layer ChainID" in the OCI image specification
            var chainId = top.isEmpty()
                    ? diffId
                    : Digest.sha256((top + " " + diffId).getBytes(StandardCharsets.US_ASCII))
                            .toString();
            agent.offer(chainId, top, manifest.layers().get(number).annotations(), number + 1);
            top = chainId;
        }
        return top;
    }

    /** As the agent says that a container's root is to be mounted. */
    Path mount(String name, Mount mount) throws IOException {
        var point = Files.createDirectories(folder.resolve(name));
        Child.run(List.of(
                "mount",
                "-t",
                mount.getType(),
                "-o",
                String.join(",", mount.getOptionsList()),
                mount.getSource(),
                point.toString()));
        mounted.push(point);
        return point;
    }

    @Override
    public void close() throws IOException {
        while (!mounted.isEmpty()) {
            Child.run(List.of("umount", mounted.pop().toString()));
        }
    }
}
