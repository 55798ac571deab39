package dev.thaw.bench;

import dev.thaw.demo.Child;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A machine that has never seen an image: a containerd of its own, with or without a snapshotter, in an empty folder. */
final class Node implements AutoCloseable {
    private static final String SANDBOX_IMAGE = "bench.local/sandbox:1";
    private static final Duration START_LIMIT = Duration.ofMinutes(1);

    private final Path folder;
    private final List<Child> snapshotter;
    private final Child containerd;
    private final Cri cri;

    /**
     * @param folder that holds all of it, and is empty
     * @param kept for what its snapshotter may bring from another node
     * @param sandbox tar with the image that every pod has
     */
    Node(Contender contender, Workload workload, Programs programs, Path folder, Path kept, Path sandbox)
            throws IOException, InterruptedException {
        this.folder = Files.createDirectories(folder);
        var socket = folder.resolve("containerd.sock");
        var snapshotterSocket = folder.resolve("snapshotter.sock");
        var program = contender.snapshotter(workload, kept);
        var name = program.map(Contender.Snapshotter::name).orElse("overlayfs");
        snapshotter = program.isEmpty()
                ? List.of()
                : program.get()
                        .start(programs, Files.createDirectories(folder.resolve(name)), snapshotterSocket, socket);
        var made = new ArrayList<AutoCloseable>(snapshotter);
        try {
            containerd = containerd(programs, socket, name, snapshotterSocket);
            made.addFirst(containerd);
            containerd.awaitFile(socket);
            var ctr = List.of(programs.path("ctr"), "--address=" + socket, "--namespace=k8s.io");
            awaitSnapshotter(ctr, name);
            run(ctr, "images", "import", "--local", "--snapshotter=" + name, sandbox.toString());
            cri = new Cri(socket, "bench", Files.createDirectories(folder.resolve("logs")));
        } catch (IOException | InterruptedException | RuntimeException e) {
            for (var each : made) {
                ((Child) each).close();
            }
            throw e;
        }
    }

    /** A socket is there before what listens on it has warmed up, and containerd gives it a second to answer. */
    private static void awaitSnapshotter(List<String> ctr, String name) throws IOException, InterruptedException {
        for (long end = System.nanoTime() + START_LIMIT.toNanos(); ; Thread.sleep(100)) {
            try {
                run(ctr, "snapshots", "--snapshotter=" + name, "prepare", "probe");
                run(ctr, "snapshots", "--snapshotter=" + name, "remove", "probe");
                return;
            } catch (IOException e) {
                if (System.nanoTime() > end) {
                    throw e;
                }
            }
        }
    }

    private static void run(List<String> ctr, String... arguments) throws IOException {
        var command = new ArrayList<>(ctr);
        command.addAll(List.of(arguments));
        Child.run(command);
    }

    private Child containerd(Programs programs, Path socket, String name, Path snapshotterSocket) throws IOException {
        var settings = folder.resolve("containerd.toml");
        Files.writeString(
                settings,
                """
                version = 3
                root = '%1$s/containerd/root'
                state = '%1$s/containerd/state'
                disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.snapshotter.v1.btrfs', 'io.containerd.snapshotter.v1.zfs']
                [grpc]
                  address = '%2$s'
                [plugins.'io.containerd.internal.v1.opt']
                  path = '%1$s/containerd/opt'
                [plugins.'io.containerd.cri.v1.images']
                  snapshotter = '%3$s'
                  %5$s
                  [plugins.'io.containerd.cri.v1.images'.pinned_images]
                    sandbox = '%6$s'
                [plugins.'io.containerd.cri.v1.runtime']
                  restrict_oom_score_adj = true
                  [plugins.'io.containerd.cri.v1.runtime'.cni]
                    bin_dirs = ['%1$s/containerd/cni']
                    conf_dir = '%1$s/containerd/cni'
                """.formatted(
                                        folder,
                                        socket,
                                        name,
                                        snapshotterSocket,
                                        // a snapshotter of its own gets to know what is pulled, as all of them ask for
                                        name.equals("overlayfs") ? "" : "disable_snapshot_annotations = false",
                                        SANDBOX_IMAGE)
                        + (name.equals("overlayfs")
                                ? ""
                                : """
                        [proxy_plugins.%1$s]
                          type = 'snapshot'
                          address = '%2$s'
                          [proxy_plugins.%1$s.exports]
                            root = '%3$s'
                            enable_remote_snapshot_annotations = 'true'
                        [[plugins.'io.containerd.transfer.v1.local'.unpack_config]]
                          platform = 'linux'
                          snapshotter = '%1$s'
                        """.formatted(name, snapshotterSocket, folder.resolve(name))));
        return Child.start(
                "containerd",
                List.of(programs.path("containerd"), "--config", settings.toString()),
                Map.of("PATH", programs.searchPath()),
                folder.resolve("containerd.log"));
    }

    Cri cri() {
        return cri;
    }

    Path logs() {
        return folder.resolve("logs");
    }

    /** What daemons have used up so far. */
    record Cost(long peakResidentBytes, Duration cpu) {
        Cost plus(Cost other) {
            return new Cost(peakResidentBytes + other.peakResidentBytes, cpu.plus(other.cpu));
        }
    }

    /** The snapshotter's daemons and all that they started. */
    Cost snapshotterCost() throws IOException {
        var sum = new Cost(0, Duration.ZERO);
        for (var child : snapshotter) {
            sum = sum.plus(cost(child));
        }
        return sum;
    }

    /** As well as containerd. */
    Cost wholeCost() throws IOException {
        return snapshotterCost().plus(cost(containerd));
    }

    private static Cost cost(Child child) throws IOException {
        var sum = new Cost(0, Duration.ZERO);
        var process = ProcessHandle.of(child.processId());
        if (process.isEmpty()) {
            return sum;
        }
        var all = new ArrayList<>(process.get().descendants().toList());
        all.add(process.get());
        for (var each : all) {
            sum = sum.plus(cost(each.pid()));
        }
        return sum;
    }

    /** proc(5): VmHWM in status; utime, stime and those of children that ended are fields 14 to 17 of stat, in ticks. */
    private static Cost cost(long processId) throws IOException {
        var proc = Path.of("/proc", Long.toString(processId));
        if (!Files.exists(proc)) {
            return new Cost(0, Duration.ZERO);
        }
        long peakKibibytes = Files.readAllLines(proc.resolve("status")).stream()
                .filter(line -> line.startsWith("VmHWM:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .sum();
        var stat = Files.readString(proc.resolve("stat"), StandardCharsets.ISO_8859_1);
        var fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        long ticks = 0;
        for (int field = 14; field <= 17; field++) {
            ticks += Long.parseLong(fields[field - 3]);
        }
        return new Cost(peakKibibytes << 10, Duration.ofMillis(ticks * 10));
    }

    @Override
    public void close() {
        try {
            cri.close();
        } finally {
            containerd.close();
            snapshotter.forEach(Child::close);
        }
    }
}
