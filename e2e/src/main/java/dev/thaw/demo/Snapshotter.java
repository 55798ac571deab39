package dev.thaw.demo;

import dev.thaw.agent.containerd.snapshots.PrepareSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.RemoveSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.SnapshotsGrpc;
import dev.thaw.agent.containerd.snapshots.SnapshotsGrpc.SnapshotsBlockingStub;
import dev.thaw.agent.containerd.types.Mount;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The agent's snapshotter, called in the way in which containerd calls it. Closing removes what was made. */
public final class Snapshotter implements AutoCloseable {
    /** The name under which containerd looks for a layer that the snapshotter has by itself. */
    private static final String REF = "containerd.io/snapshot.ref";

    private static final String SNAPSHOTTER = "thaw";

    private final EventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final ManagedChannel channel;
    private final SnapshotsBlockingStub service;
    private final Deque<String> made = new ArrayDeque<>();

    public Snapshotter(Path socket) {
        channel = NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(socket))
                .channelType(NioDomainSocketChannel.class)
                .eventLoopGroup(loop)
                .overrideAuthority("localhost")
                .usePlaintext()
                .build();
        service = SnapshotsGrpc.newBlockingStub(channel);
    }

    /**
     * Offers a layer, as containerd does before it fetches it.
     *
     * @param parent the layer below; empty for the lowest
     * @throws IOException if the snapshotter does not have it by itself
     */
    public void offer(String chainId, String parent, Map<String, String> annotations, int number) throws IOException {
        var key = "default/%d/extract-%s".formatted(number, chainId);
        try {
            var answer = service.prepare(PrepareSnapshotRequest.newBuilder()
                    .setSnapshotter(SNAPSHOTTER)
                    .setKey(key)
                    .setParent(parent)
                    .putLabels(REF, chainId)
                    .putAllLabels(annotations)
                    .build());
            made.push(key);
            throw new IOException(
                    "the agent wants layer %s to be downloaded into %s".formatted(chainId, answer.getMountsList()));
        } catch (StatusRuntimeException e) {
            if (e.getStatus().getCode() != Status.Code.ALREADY_EXISTS) {
                throw new IOException("the agent does not take layer " + chainId + ": " + e.getStatus(), e);
            }
            made.push(chainId);
        }
    }

    /** Makes a container's writable root on top of a layer. */
    public List<Mount> root(String key, String parent) throws IOException {
        try {
            var answer = service.prepare(PrepareSnapshotRequest.newBuilder()
                    .setSnapshotter(SNAPSHOTTER)
                    .setKey(key)
                    .setParent(parent)
                    .build());
            made.push(key);
            return answer.getMountsList();
        } catch (StatusRuntimeException e) {
            throw new IOException("the agent makes no root: " + e.getStatus(), e);
        }
    }

    @Override
    public void close() {
        try {
            while (!made.isEmpty()) {
                service.withDeadlineAfter(10, TimeUnit.SECONDS)
                        .remove(RemoveSnapshotRequest.newBuilder()
                                .setSnapshotter(SNAPSHOTTER)
                                .setKey(made.pop())
                                .build());
            }
        } finally {
            channel.shutdownNow();
            loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        }
    }
}
