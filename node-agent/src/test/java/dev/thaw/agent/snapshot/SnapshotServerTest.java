package dev.thaw.agent.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.FieldMask;
import dev.thaw.agent.AgentException;
import dev.thaw.agent.containerd.snapshots.CleanupRequest;
import dev.thaw.agent.containerd.snapshots.CommitSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.Info;
import dev.thaw.agent.containerd.snapshots.ListSnapshotsRequest;
import dev.thaw.agent.containerd.snapshots.MountsRequest;
import dev.thaw.agent.containerd.snapshots.PrepareSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.RemoveSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.SnapshotsGrpc;
import dev.thaw.agent.containerd.snapshots.StatSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.UpdateSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.UsageRequest;
import dev.thaw.agent.containerd.snapshots.ViewSnapshotRequest;
import dev.thaw.oci.Digest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SnapshotServerTest {
    private static final Digest IMAGE = Digest.parse("sha256:" + "a".repeat(64));

    @TempDir
    Path temp;

    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private final MultiThreadIoEventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private FakeLazyImages images;
    private SnapshotRecords records;
    private Snapshots snapshots;
    private SnapshotServer server;
    private ManagedChannel channel;
    private SnapshotsGrpc.SnapshotsBlockingStub containerd;

    @BeforeEach
    void start() throws AgentException, IOException {
        images = new FakeLazyImages(temp.resolve("images"));
        images.know(IMAGE, 1);
        records = SnapshotRecords.open(temp.resolve("records.db"));
        snapshots = new Snapshots(
                SnapshotSettings.in(temp.resolve("snapshots")),
                records,
                images,
                SnapshotWatcher.NONE,
                Clock.systemUTC());
        // What an agent that was killed leaves.
        Files.createDirectories(socket().getParent());
        Files.writeString(socket(), "stale");
        Files.writeString(socket().resolveSibling("agent.sock.new"), "stale");
        server = SnapshotServer.start(socket(), snapshots, meters);
        channel = NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(socket()))
                .channelType(NioDomainSocketChannel.class)
                .eventLoopGroup(loop)
                .overrideAuthority("localhost")
                .usePlaintext()
                .build();
        containerd = SnapshotsGrpc.newBlockingStub(channel);
    }

    @AfterEach
    void stop() throws AgentException {
        channel.shutdownNow();
        server.close();
        snapshots.close();
        records.close();
        loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    private Path socket() {
        return temp.resolve("run/agent.sock");
    }

    private static PrepareSnapshotRequest prepare(String key, String parent) {
        return PrepareSnapshotRequest.newBuilder().setKey(key).setParent(parent).build();
    }

    private Info stat(String key) {
        return containerd
                .stat(StatSnapshotRequest.newBuilder().setKey(key).build())
                .getInfo();
    }

    private void commit(String key, String name) {
        containerd.commit(CommitSnapshotRequest.newBuilder()
                .setKey(key)
                .setName(name)
                .putLabels("a", "1")
                .build());
    }

    private static void assertStatus(Status.Code code, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        StatusRuntimeException.class,
                        e -> assertThat(e.getStatus().getCode()).isEqualTo(code));
    }

    private long count(String operation, String result) {
        return meters.get("thaw.snapshot.operation")
                .tag("operation", operation)
                .tag("result", result)
                .timer()
                .count();
    }

    @Test
    void onlyItsOwnerMayUseTheSocket() throws IOException {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket())))
                .isEqualTo("rw-------");
        assertThat(socket().resolveSibling("agent.sock.new")).doesNotExist();
    }

    @Test
    void carriesALayerThroughItsLife() {
        var mounts = containerd.prepare(prepare("key", "")).getMountsList();
        assertThat(mounts).singleElement().satisfies(mount -> {
            assertThat(mount.getType()).isEqualTo("bind");
            assertThat(mount.getSource()).endsWith("/fs");
            assertThat(mount.getOptionsList()).containsExactly("rw", "rbind");
        });
        assertThat(containerd
                        .mounts(MountsRequest.newBuilder().setKey("key").build())
                        .getMountsList())
                .isEqualTo(mounts);
        assertThat(stat("key").getKind()).isEqualTo(dev.thaw.agent.containerd.snapshots.Kind.ACTIVE);
        commit("key", "layer");
        var info = stat("layer");
        assertThat(info.getKind()).isEqualTo(dev.thaw.agent.containerd.snapshots.Kind.COMMITTED);
        assertThat(info.getLabelsMap()).isEqualTo(Map.of("a", "1"));
        assertThat(info.getCreatedAt().getSeconds()).isPositive();
        var view = containerd.view(ViewSnapshotRequest.newBuilder()
                .setKey("view")
                .setParent("layer")
                .build());
        assertThat(view.getMounts(0).getOptionsList()).containsExactly("ro", "rbind");
        assertThat(containerd
                        .usage(UsageRequest.newBuilder().setKey("layer").build())
                        .getInodes())
                .isEqualTo(1);
        assertStatus(
                Status.Code.FAILED_PRECONDITION,
                () -> containerd.remove(
                        RemoveSnapshotRequest.newBuilder().setKey("layer").build()));
        containerd.remove(RemoveSnapshotRequest.newBuilder().setKey("view").build());
        containerd.remove(RemoveSnapshotRequest.newBuilder().setKey("layer").build());
        containerd.cleanup(CleanupRequest.getDefaultInstance());
        assertThat(temp.resolve("snapshots")).isEmptyDirectory();
        assertThat(count("remove", "ok")).isEqualTo(2);
        assertThat(count("remove", "failed_precondition")).isEqualTo(1);
    }

    @Test
    void answersAClaimAsContainerdExpectsIt() {
        var offer = PrepareSnapshotRequest.newBuilder()
                .setKey("default/1/extract")
                .putLabels(Snapshots.REF, "sha256:chain")
                .putLabels(Snapshots.IMAGE, IMAGE.toString())
                .build();
        assertStatus(Status.Code.ALREADY_EXISTS, () -> containerd.prepare(offer));
        var found = containerd.list(ListSnapshotsRequest.newBuilder()
                .addFilters("labels.\"containerd.io/snapshot.ref\"==sha256:chain,parent==\"\"")
                .build());
        assertThat(found.next().getInfoList())
                .singleElement()
                .satisfies(info -> assertThat(info.getName()).isEqualTo("sha256:chain"));
        assertThat(containerd
                        .prepare(prepare("default/2/container", "sha256:chain"))
                        .getMountsList())
                .singleElement()
                .satisfies(mount -> assertThat(mount.getOptionsList()).contains("lowerdir=" + images.rootOf(IMAGE)));
        assertThat(count("prepare", "claimed")).isEqualTo(1);
    }

    @Test
    void tellsRefusalsApart() {
        containerd.prepare(prepare("key", ""));
        assertStatus(Status.Code.ALREADY_EXISTS, () -> containerd.prepare(prepare("key", "")));
        assertStatus(Status.Code.NOT_FOUND, () -> stat("none"));
        assertStatus(Status.Code.INVALID_ARGUMENT, () -> containerd.prepare(prepare("b", "key")));
        assertStatus(
                Status.Code.INVALID_ARGUMENT,
                () -> containerd
                        .list(ListSnapshotsRequest.newBuilder().addFilters("==").build())
                        .next());
        assertThat(count("stat", "not_found")).isEqualTo(1);
    }

    @Test
    void changesLabelsByFieldMask() {
        containerd.prepare(prepare("key", ""));
        var updated = containerd.update(UpdateSnapshotRequest.newBuilder()
                .setInfo(Info.newBuilder().setName("key").putLabels("a", "1").putLabels("b", "2"))
                .setUpdateMask(FieldMask.newBuilder().addPaths("labels.b"))
                .build());
        assertThat(updated.getInfo().getLabelsMap()).isEqualTo(Map.of("b", "2"));
    }

    @Test
    void listsMoreThanFitsIntoOneMessage() {
        for (int i = 0; i < 230; i++) {
            containerd.prepare(prepare("key" + i, ""));
        }
        var sizes = new ArrayList<Integer>();
        containerd.list(ListSnapshotsRequest.getDefaultInstance()).forEachRemaining(r -> sizes.add(r.getInfoCount()));
        assertThat(sizes).containsExactly(100, 100, 30);
    }

    @Test
    void letsOneOfManyPullsOfTheSameImageDoTheWork() throws Exception {
        var answers = new ArrayList<Future<Status.Code>>();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 20; i++) {
                var offer = PrepareSnapshotRequest.newBuilder()
                        .setKey("ns" + i + "/1/extract")
                        .putLabels(Snapshots.REF, "sha256:chain")
                        .putLabels(Snapshots.IMAGE, IMAGE.toString())
                        .build();
                answers.add(threads.submit(() -> {
                    try {
                        containerd.prepare(offer);
                        return Status.Code.OK;
                    } catch (StatusRuntimeException e) {
                        return e.getStatus().getCode();
                    }
                }));
            }
        }
        for (var answer : answers) {
            assertThat(answer.get()).isEqualTo(Status.Code.ALREADY_EXISTS);
        }
        assertThat(records.all()).hasSize(1);
    }

    @Test
    void leavesTheSocketOfASuccessorAlone() throws Exception {
        try (var successor = SnapshotServer.start(socket(), snapshots, new SimpleMeterRegistry())) {
            server.close();
            assertThat(successor.socket()).exists();
            assertThat(stat404()).isEqualTo(Status.Code.NOT_FOUND);
        }
        assertThat(socket()).doesNotExist();
    }

    /** The channel connects anew, to whoever serves the socket now. */
    private Status.Code stat404() {
        try {
            containerd
                    .withWaitForReady()
                    .withDeadlineAfter(10, TimeUnit.SECONDS)
                    .stat(StatSnapshotRequest.newBuilder().setKey("none").build());
            return Status.Code.OK;
        } catch (StatusRuntimeException e) {
            return e.getStatus().getCode();
        }
    }

    @Test
    void tellsFailuresOfTheNodeApart() {
        var offer = prepare("extract", "").toBuilder()
                .putLabels(Snapshots.REF, "one")
                .putLabels(Snapshots.IMAGE, IMAGE.toString())
                .build();
        assertStatus(Status.Code.ALREADY_EXISTS, () -> containerd.prepare(offer));
        images.failToMount(new AgentException.MountFailed(temp, "the driver says no", null));
        assertStatus(Status.Code.UNAVAILABLE, () -> containerd.prepare(prepare("a", "one")));
        images.failToMount(new AgentException.ReadFailed("blob", "the registry says no", null));
        assertStatus(Status.Code.UNAVAILABLE, () -> containerd.prepare(prepare("a", "one")));
        images.failToMount(new AgentException.StorageFailed(temp, "no space left", true, null));
        assertStatus(Status.Code.RESOURCE_EXHAUSTED, () -> containerd.prepare(prepare("a", "one")));
        images.failToMount(new AgentException.StorageFailed(temp, "input/output error", false, null));
        assertStatus(Status.Code.INTERNAL, () -> containerd.prepare(prepare("a", "one")));
        images.mountAgain();
        assertThat(containerd.prepare(prepare("a", "one")).getMountsCount()).isEqualTo(1);
    }
}
