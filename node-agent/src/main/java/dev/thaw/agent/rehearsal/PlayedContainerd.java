package dev.thaw.agent.rehearsal;

import com.google.protobuf.Any;
import com.google.protobuf.Empty;
import com.google.protobuf.Timestamp;
import dev.thaw.agent.containerd.containers.Container;
import dev.thaw.agent.containerd.containers.ContainersGrpc;
import dev.thaw.agent.containerd.containers.GetContainerRequest;
import dev.thaw.agent.containerd.containers.GetContainerResponse;
import dev.thaw.agent.containerd.events.EventsGrpc;
import dev.thaw.agent.containerd.events.SubscribeRequest;
import dev.thaw.agent.containerd.events.TaskStart;
import dev.thaw.agent.containerd.snapshots.CommitSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.ListSnapshotsRequest;
import dev.thaw.agent.containerd.snapshots.MountsRequest;
import dev.thaw.agent.containerd.snapshots.PrepareSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.RemoveSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.SnapshotsGrpc;
import dev.thaw.agent.containerd.snapshots.StatSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.UsageRequest;
import dev.thaw.agent.containerd.types.Envelope;
import dev.thaw.agent.containerd.version.VersionGrpc;
import dev.thaw.agent.containerd.version.VersionResponse;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** Asks the agent for what containerd asks when it pulls an image and runs a container, and answers what it is asked. */
final class PlayedContainerd implements AutoCloseable {
    private static final String NAMESPACE = "k8s.io";
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final EventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final List<StreamObserver<Envelope>> listeners = new CopyOnWriteArrayList<>();
    private final Path agent;
    private final Server server;

    /**
     * @param socket where the agent finds it
     * @param agent the agent's socket, which need not be there yet
     */
    PlayedContainerd(Path socket, Path agent) throws IOException {
        this.agent = agent;
        server = NettyServerBuilder.forAddress(UnixDomainSocketAddress.of(socket))
                .channelType(NioServerDomainSocketChannel.class)
                .bossEventLoopGroup(loop)
                .workerEventLoopGroup(loop)
                .addService(new Events())
                .addService(new Containers())
                .addService(new Version())
                .build()
                .start();
    }

    /** Work with the agent's snapshotter. */
    private interface Calls<T> {
        T with(SnapshotsGrpc.SnapshotsBlockingStub snapshots);
    }

    private <T> T call(Calls<T> calls) {
        var channel = NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(agent))
                .channelType(NioDomainSocketChannel.class)
                .eventLoopGroup(loop)
                .overrideAuthority("localhost")
                .usePlaintext()
                .build();
        try {
            return calls.with(
                    SnapshotsGrpc.newBlockingStub(channel).withDeadlineAfter(PATIENCE.toSeconds(), TimeUnit.SECONDS));
        } finally {
            channel.shutdownNow();
        }
    }

    /** Offers the layers. Whether all of them were claimed. */
    boolean pull(PlayedImage image) {
        return call(snapshots -> {
            boolean claimed = true;
            for (int layer = 1; layer <= PlayedImage.LAYERS; layer++) {
                claimed &= offer(
                        snapshots,
                        PrepareSnapshotRequest.newBuilder()
                                .setKey("extract " + layer(image, layer))
                                .setParent(layer == 1 ? "" : layer(image, layer - 1))
                                .putAllLabels(Map.of(
                                        "containerd.io/snapshot.ref",
                                        layer(image, layer),
                                        "containerd.io/snapshot/thaw.dev.image",
                                        image.artifact().toString()))
                                .build());
                snapshots
                        .list(ListSnapshotsRequest.newBuilder()
                                .addFilters("parent==%s,labels.\"containerd.io/snapshot.ref\"==\"%s\""
                                        .formatted(
                                                layer == 1 ? "\"\"" : '"' + layer(image, layer - 1) + '"',
                                                layer(image, layer)))
                                .build())
                        .forEachRemaining(_ -> {});
                claimed &= snapshots
                        .stat(StatSnapshotRequest.newBuilder()
                                .setKey(layer(image, layer))
                                .build())
                        .hasInfo();
            }
            return claimed;
        });
    }

    private static boolean offer(SnapshotsGrpc.SnapshotsBlockingStub snapshots, PrepareSnapshotRequest layer) {
        try {
            snapshots.prepare(layer);
            return false;
        } catch (StatusRuntimeException e) {
            if (e.getStatus().getCode() == Status.Code.ALREADY_EXISTS) {
                return true;
            }
            throw e;
        }
    }

    /** A container's root. Where the image is mounted; empty where this machine mounts none. */
    Optional<Path> run(PlayedImage image) {
        try {
            var root = call(snapshots -> snapshots.prepare(PrepareSnapshotRequest.newBuilder()
                    .setKey(container(image))
                    .setParent(layer(image, PlayedImage.LAYERS))
                    .build()));
            tellStart(container(image));
            return root.getMounts(0).getOptionsList().stream()
                    .filter(option -> option.startsWith("lowerdir="))
                    .map(option -> Path.of(option.substring("lowerdir=".length())))
                    .findFirst();
        } catch (StatusRuntimeException e) {
            return Optional.empty();
        }
    }

    private void tellStart(String container) {
        var now = Instant.now();
        var started = TaskStart.newBuilder().setContainerId(container).setPid(1).build();
        var event = Envelope.newBuilder()
                .setTimestamp(
                        Timestamp.newBuilder().setSeconds(now.getEpochSecond()).setNanos(now.getNano()))
                .setNamespace(NAMESPACE)
                .setTopic("/tasks/start")
                .setEvent(Any.newBuilder()
                        .setTypeUrl("containerd.events.TaskStart")
                        .setValue(started.toByteString()))
                .build();
        listeners.forEach(listener -> listener.onNext(event));
    }

    /** Removes container and image. */
    void remove(PlayedImage image, boolean hasRun) {
        call(snapshots -> {
            if (hasRun) {
                snapshots.mounts(
                        MountsRequest.newBuilder().setKey(container(image)).build());
                snapshots.usage(
                        UsageRequest.newBuilder().setKey(container(image)).build());
                remove(snapshots, container(image));
            }
            for (int layer = PlayedImage.LAYERS; layer > 0; layer--) {
                remove(snapshots, layer(image, layer));
            }
            return true;
        });
    }

    /** An ordinary layer and a container's root on it, as of every image that is not lazy. */
    void runOrdinary() {
        call(snapshots -> {
            snapshots.prepare(
                    PrepareSnapshotRequest.newBuilder().setKey("extract").build());
            snapshots.commit(CommitSnapshotRequest.newBuilder()
                    .setKey("extract")
                    .setName("ordinary")
                    .build());
            snapshots.prepare(PrepareSnapshotRequest.newBuilder()
                    .setKey("pause")
                    .setParent("ordinary")
                    .build());
            remove(snapshots, "pause");
            remove(snapshots, "ordinary");
            return true;
        });
    }

    private static void remove(SnapshotsGrpc.SnapshotsBlockingStub snapshots, String key) {
        snapshots.remove(RemoveSnapshotRequest.newBuilder().setKey(key).build());
    }

    private static String layer(PlayedImage image, int number) {
        return "layer " + number + " of " + image.artifact();
    }

    private static String container(PlayedImage image) {
        return "%s/1/%s".formatted(NAMESPACE, image.artifact().hex());
    }

    @Override
    public void close() {
        server.shutdownNow();
        loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    private final class Events extends EventsGrpc.EventsImplBase {
        @Override
        public void subscribe(SubscribeRequest request, StreamObserver<Envelope> reply) {
            listeners.add(reply);
        }
    }

    private static final class Containers extends ContainersGrpc.ContainersImplBase {
        @Override
        public void get(GetContainerRequest request, StreamObserver<GetContainerResponse> reply) {
            reply.onNext(GetContainerResponse.newBuilder()
                    .setContainer(Container.newBuilder()
                            .setId(request.getId())
                            .setSnapshotKey(
                                    request.getId().substring(request.getId().lastIndexOf('/') + 1))
                            .putLabels("io.kubernetes.pod.name", "rehearsal"))
                    .build());
            reply.onCompleted();
        }
    }

    private static final class Version extends VersionGrpc.VersionImplBase {
        @Override
        public void version(Empty request, StreamObserver<VersionResponse> reply) {
            reply.onNext(VersionResponse.newBuilder().setVersion("rehearsal").build());
            reply.onCompleted();
        }
    }
}
