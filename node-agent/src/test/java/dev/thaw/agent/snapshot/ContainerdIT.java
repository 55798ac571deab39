package dev.thaw.agent.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.clock.ColdStart;
import dev.thaw.agent.clock.ColdStartClock;
import dev.thaw.agent.clock.Containerd;
import dev.thaw.agent.image.ImageTraffic.Traffic;
import dev.thaw.oci.Digest;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The snapshotter and the clock against a real containerd, and against what containerd's own overlayfs snapshotter does with
 * the same image. The lazy image's root is a plain directory here.
 */
class ContainerdIT {
    private static final Digest IMAGE = Digest.parse("sha256:" + "a".repeat(64));
    private static final String EVERY_FILE = "find / -xdev -exec stat -c '%n %f %u %g %s' {} + | grep -v '^/ ' | sort";

    @TempDir
    Path temp;

    private Path busybox;
    private FakeLazyImages images;
    private SnapshotRecords records;
    private Snapshots snapshots;
    private SnapshotServer server;
    private PrivateContainerd containerd;
    private Containerd events;
    private ColdStartClock clock;
    private TinyRegistry registry;
    private final CopyOnWriteArrayList<ColdStart> starts = new CopyOnWriteArrayList<>();

    @BeforeEach
    void start() throws Exception {
        assumeTrue("root".equals(System.getProperty("user.name")), "containerd runs containers only for root");
        var binaries = PrivateContainerd.binaries();
        assumeTrue(
                binaries.isPresent(),
                "needs containerd, containerd-shim-runc-v2, ctr, runc and a static busybox in one directory:"
                        + " THAW_TEST_CONTAINERD_BIN, ~/.cache/k8s-node/bin or one of PATH");
        busybox = binaries.get().resolve("busybox");
        images = new FakeLazyImages(temp.resolve("images"));
        containerd = new PrivateContainerd(binaries.get(), temp.resolve("containerd"), temp.resolve("agent.sock"));
        registry = new TinyRegistry();
        startAgent();
        containerd.start();
        clock.start();
    }

    private void startAgent() throws AgentException {
        var late = new AtomicReference<Snapshots>();
        events = new Containerd(containerd.socket());
        clock = new ColdStartClock(
                events, () -> late.get()::lazyRoot, image -> Traffic.NONE, starts::add, new SimpleMeterRegistry());
        records = SnapshotRecords.open(temp.resolve("records.db"));
        snapshots = new Snapshots(
                SnapshotSettings.in(temp.resolve("snapshots")), records, images, clock, Clock.systemUTC());
        late.set(snapshots);
        snapshots.restore();
        server = SnapshotServer.start(temp.resolve("agent.sock"), snapshots, new SimpleMeterRegistry());
    }

    private void stopAgent() throws AgentException {
        clock.close();
        events.close();
        server.close();
        snapshots.close();
        records.close();
    }

    @AfterEach
    void stop() throws Exception {
        if (registry != null) {
            containerd.close();
            registry.close();
            stopAgent();
        }
    }

    /** Fetches first and unpacks then, which never offers a layer. */
    private void pull(String snapshotter, String reference) throws IOException, InterruptedException {
        containerd.ctr("images", "pull", "--local", "--plain-http", "--snapshotter", snapshotter, reference);
    }

    /** Pulls as kubelet's containerd does: by the transfer service, which offers every layer before it fetches it. */
    private void pullOffering(String reference) throws IOException, InterruptedException {
        assumeTrue(
                containerd.run("images", "pull", "--help").text().contains("--local"),
                "this ctr does not know the transfer service");
        containerd.ctr("images", "pull", "--plain-http", "--snapshotter", "thaw", reference);
    }

    private String run(String snapshotter, String reference, String id, String script)
            throws IOException, InterruptedException {
        return containerd.ctr("run", "--rm", "--snapshotter", snapshotter, reference, id, "/bin/sh", "-c", script);
    }

    /** Removes images, and waits for the garbage collection that follows. */
    private void remove(String... references) throws IOException, InterruptedException {
        for (var reference : references) {
            containerd.ctr("images", "rm", "--sync", reference);
        }
    }

    private List<String> directories() throws IOException {
        try (var entries = Files.list(temp.resolve("snapshots"))) {
            return entries.map(entry -> entry.getFileName().toString()).toList();
        }
    }

    @Test
    void treatsAnOrdinaryImageAsOverlayfsDoes() throws Exception {
        var image = registry.publish("ordinary", new TestImage(busybox, ""));
        pull("overlayfs", image);
        pull("thaw", image);
        var script = "cat /srv/greeting; test ! -e /gone && "
                + EVERY_FILE.replace("sort", "busybox sort").replace("grep", "busybox grep");
        var theirs = run("overlayfs", image, "theirs", script);
        var ours = run("thaw", image, "ours", script);
        assertThat(ours).contains("hello from above", "/srv/greeting 81a4 1000 1000 16");
        assertThat(ours).isEqualTo(theirs);

        assertThat(columns(containerd.ctr("snapshots", "--snapshotter", "thaw", "usage")))
                .isEqualTo(columns(containerd.ctr("snapshots", "--snapshotter", "overlayfs", "usage")));
        assertThat(columns(containerd.ctr("snapshots", "--snapshotter", "thaw", "list")))
                .isEqualTo(columns(containerd.ctr("snapshots", "--snapshotter", "overlayfs", "list")));
        assertThat(shapes("thaw")).isEqualTo(shapes("overlayfs"));

        remove(image);
        assertThat(records.all()).isEmpty();
        assertThat(directories()).isEmpty();
    }

    /** Lines without the spaces between their columns. */
    private static List<String> columns(String table) {
        return table.lines()
                .map(line -> line.trim().replaceAll("\\s+", " "))
                .sorted()
                .toList();
    }

    /** The mounts of a view and an active snapshot on every layer, without the names of directories. */
    private List<String> shapes(String snapshotter) throws IOException, InterruptedException {
        var shapes = new CopyOnWriteArrayList<String>();
        for (var line : columns(containerd.ctr("snapshots", "--snapshotter", snapshotter, "list"))) {
            var name = line.split(" ", -1)[0];
            if (name.startsWith("sha256:")) {
                for (var kind : List.of("view", "prepare")) {
                    var key = kind + "-" + name;
                    shapes.add(kind + " "
                            + containerd
                                    .ctr("snapshots", "--snapshotter", snapshotter, kind, "--mounts", key, name)
                                    .replaceAll("/[^ :,\"]*/(\\d+)/", "/")
                                    .trim());
                    // The garbage collector may be faster: nothing refers to the snapshot.
                    containerd.run("snapshots", "--snapshotter", snapshotter, "rm", key);
                }
            }
        }
        assertThat(shapes).hasSize(6);
        return shapes;
    }

    @Test
    void commitsWhatAContainerWrote() throws Exception {
        var image = registry.publish("ordinary", new TestImage(busybox, ""));
        var usage = new CopyOnWriteArrayList<List<String>>();
        for (var snapshotter : List.of("overlayfs", "thaw")) {
            pull(snapshotter, image);
            // Else the garbage collector takes what is committed and viewed below, as nothing refers to it.
            var kept = "containerd.io/gc.ref.snapshot." + snapshotter;
            containerd.ctr("images", "label", image, kept + "/saved=saved", kept + "/look=look");
            var writer = "writer-" + snapshotter;
            containerd.ctr(
                    "run",
                    "--snapshotter",
                    snapshotter,
                    image,
                    writer,
                    "/bin/sh",
                    "-c",
                    "echo it > /tmp/it; echo x > /y");
            containerd.ctr("snapshots", "--snapshotter", snapshotter, "commit", "saved", writer);
            containerd.ctr("snapshots", "--snapshotter", snapshotter, "label", "saved", "thaw.dev/test=yes");
            usage.add(columns(containerd.ctr("snapshots", "--snapshotter", snapshotter, "usage", "saved")));
        }
        assertThat(usage.getLast()).isEqualTo(usage.getFirst());
        assertThat(usage.getLast().toString()).contains("saved");

        assertThat(containerd.ctr("snapshots", "--snapshotter", "thaw", "info", "saved"))
                .contains("\"Kind\": \"Committed\"", "thaw.dev/test");
        assertThat(records.all())
                .anySatisfy(snapshot -> assertThat(snapshot.name()).endsWith("/saved"));
        containerd.ctr("snapshots", "--snapshotter", "thaw", "view", "look", "saved");
        assertThat(containerd
                        .run("snapshots", "--snapshotter", "thaw", "rm", "saved")
                        .text())
                .contains("cannot remove snapshot with child");
        containerd.ctr("snapshots", "--snapshotter", "thaw", "rm", "look");
        containerd.ctr("snapshots", "--snapshotter", "thaw", "rm", "saved");
        assertThat(containerd
                        .run("snapshots", "--snapshotter", "thaw", "info", "saved")
                        .text())
                .contains("does not exist");
    }

    @Test
    void runsALazyImageOfWhichNoLayerIsDownloaded() throws Exception {
        var lazy = new TestImage(busybox, IMAGE.toString());
        images.know(IMAGE, lazy.layers.size());
        lazy.unpackTo(images.rootOf(IMAGE), busybox);
        var image = registry.publish("lazy", lazy);
        pullOffering(image);
        assertThat(registry.fetched).doesNotContainAnyElementsOf(lazy.layers).isNotEmpty();

        assertThat(run("thaw", image, "c1", "cat /srv/greeting; echo new > /srv/new; cat /srv/new"))
                .isEqualTo("hello from abovenew\n");
        assertThat(images.rootOf(IMAGE).resolve("srv/new")).doesNotExist();
        await().until(() -> starts.size() == 1);
        var start = starts.getFirst();
        assertThat(start.containerId()).isEqualTo("c1");
        assertThat(start.artifact()).isEqualTo(IMAGE);
        assertThat(start.cold()).isTrue();
        assertThat(start.pullBegan().orElseThrow()).isBefore(start.rootMounted());
        assertThat(start.rootMounted()).isBefore(start.started());
        assertThat(events.version()).isNotEmpty();

        run("thaw", image, "c2", "cat /srv/greeting");
        await().until(() -> starts.size() == 2);
        assertThat(starts.getLast().pullBegan()).isEmpty();

        remove(image);
        assertThat(records.all()).isEmpty();
        await().untilAsserted(() -> assertThat(images.released).containsExactly(IMAGE));
    }

    @Test
    void leavesTheLazyImageToContainerdWhereItIsUnknown() throws Exception {
        var lazy = new TestImage(busybox, IMAGE.toString());
        var image = registry.publish("lazy", lazy);
        pullOffering(image);
        assertThat(registry.fetched).containsAll(lazy.layers);
        assertThat(run("thaw", image, "c1", "cat /srv/greeting")).isEqualTo("hello from above");
        assertThat(starts).isEmpty();
    }

    @Test
    void goesOnAfterAgentAndContainerdWereRestarted() throws Exception {
        var lazy = new TestImage(busybox, IMAGE.toString());
        images.know(IMAGE, lazy.layers.size());
        lazy.unpackTo(images.rootOf(IMAGE), busybox);
        var image = registry.publish("lazy", lazy);
        pullOffering(image);
        containerd.kill();
        stopAgent();
        startAgent();
        clock.start();
        containerd.start();
        assertThat(images.restored.getLast()).containsExactly(IMAGE.toString());
        assertThat(run("thaw", image, "c1", "cat /srv/greeting")).isEqualTo("hello from above");
        await().until(() -> starts.size() == 1);
    }

    @Test
    void findsAContainerThatRunsWhoseStartWasNotHeard() throws Exception {
        var lazy = new TestImage(busybox, IMAGE.toString());
        images.know(IMAGE, lazy.layers.size());
        lazy.unpackTo(images.rootOf(IMAGE), busybox);
        var image = registry.publish("lazy", lazy);
        pullOffering(image);
        clock.close();
        containerd.ctr(
                "run", "--detach", "--snapshotter", "thaw", image, "c1", "/bin/sh", "-c", "while sleep 1; do :; done");
        clock.start();
        await().until(() -> starts.size() == 1);
        assertThat(starts.getFirst().containerId()).isEqualTo("c1");
        assertThat(starts.getFirst().started()).isAfter(starts.getFirst().rootMounted());
        containerd.ctr("tasks", "rm", "--force", "c1");
    }
}
