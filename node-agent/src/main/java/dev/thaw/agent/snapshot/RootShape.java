package dev.thaw.agent.snapshot;

import dev.thaw.agent.AgentException.SnapshotRefused;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Which mounts make the root of a snapshot: those of containerd's overlayfs snapshotter, the root of a lazy image being one
 * more lower directory, the deepest.
 *
 * <pre>
 *              nothing below            one below                 more below
 * active       bind, rw, own files      overlay on it             overlay on them
 * view         bind, ro, own files      bind, ro, that one        overlay without upper
 * </pre>
 *
 * @param options of every overlay
 * @param remapIds whether containerd was told of the capability {@code remap-ids}: it then wants the mappings of a user
 *     namespace among the options
 */
record RootShape(SnapshotDirectories directories, List<String> options, boolean remapIds) {
    static final String UID_MAPPING = "containerd.io/snapshot/uidmapping";
    static final String GID_MAPPING = "containerd.io/snapshot/gidmapping";

    /** mount(2) copies one page of options; containerd writes the lower directories relative to what they share. */
    private static final int PAGE_BYTES = 4096;

    /** What overlayfs takes (OVL_MAX_STACK in the kernel's {@code fs/overlayfs}). */
    private static final int MOST_LOWERS = 500;

    /** The options that containerd's own snapshotter would use on this kernel. */
    static List<String> kernelOptions() {
        return Files.exists(Path.of("/sys/module/overlay/parameters/index")) ? List.of("index=off") : List.of();
    }

    /** @throws SnapshotRefused failed precondition, if there are more layers than one mount takes */
    List<Mount> mounts(Kind kind, long id, Lowers lowers, Map<String, String> labels) throws SnapshotRefused {
        var overlay = mapping(labels);
        if (lowers.count() == 0) {
            return List.of(bind(directories.files(id), kind == Kind.VIEW ? "ro" : "rw", overlay));
        }
        var below = Stream.concat(lowers.ordinary().stream().map(directories::files), lowers.image().stream())
                .toList();
        if (kind == Kind.VIEW && below.size() == 1) {
            return List.of(bind(below.getFirst(), "ro", overlay));
        }
        if (kind != Kind.VIEW) {
            overlay.add("workdir=" + directories.work(id));
            overlay.add("upperdir=" + directories.files(id));
        }
        overlay.add("lowerdir=" + below.stream().map(Path::toString).collect(Collectors.joining(":")));
        overlay.addAll(options);
        requireFits(overlay, below);
        return List.of(new Mount("overlay", "overlay", overlay));
    }

    private List<String> mapping(Map<String, String> labels) {
        var mapping = new ArrayList<String>();
        if (remapIds) {
            if (labels.containsKey(UID_MAPPING)) {
                mapping.add("uidmap=" + labels.get(UID_MAPPING));
            }
            if (labels.containsKey(GID_MAPPING)) {
                mapping.add("gidmap=" + labels.get(GID_MAPPING));
            }
        }
        return mapping;
    }

    private static Mount bind(Path source, String mode, List<String> mapping) {
        return new Mount(
                "bind",
                source.toString(),
                Stream.concat(mapping.stream(), Stream.of(mode, "rbind")).toList());
    }

    private static void requireFits(List<String> options, List<Path> below) throws SnapshotRefused {
        int whole = options.stream().mapToInt(String::length).sum() + options.size() - 1;
        int shortened = whole - below.size() * sharedPrefix(below);
        if (shortened >= PAGE_BYTES || below.size() > MOST_LOWERS) {
            throw Refused.precondition("a root of " + below.size() + " layers needs " + shortened
                    + " bytes of mount options, the kernel takes " + PAGE_BYTES + " and " + MOST_LOWERS
                    + " layers: build the image with fewer layers");
        }
    }

    /** Length of the directory that all share, with the slash behind it. */
    private static int sharedPrefix(List<Path> paths) {
        var shared = paths.getFirst().toString();
        for (var path : paths) {
            var text = path.toString();
            int same = 0;
            while (same < Math.min(shared.length(), text.length()) && shared.charAt(same) == text.charAt(same)) {
                same++;
            }
            shared = shared.substring(0, same);
        }
        return shared.lastIndexOf('/') + 1;
    }
}
