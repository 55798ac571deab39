package dev.thaw.agent.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.agent.containerd.snapshots.PrepareSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.SnapshotsGrpc;
import dev.thaw.oci.Digest;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** What containerd asks an agent for before a container of a {@link SampleImage} starts. */
final class PreparedContainer {
    private static final long PATIENCE_SECONDS = 300;

    private PreparedContainer() {}

    /** Offers three layers, which are claimed, and asks for a root on them. @return where the image is mounted */
    static Path of(Path socket, Digest artifact) {
        var loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
        var channel = NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(socket))
                .channelType(NioDomainSocketChannel.class)
                .eventLoopGroup(loop)
                .overrideAuthority("localhost")
                .usePlaintext()
                .build();
        try {
            var snapshots =
                    SnapshotsGrpc.newBlockingStub(channel).withDeadlineAfter(PATIENCE_SECONDS, TimeUnit.SECONDS);
            for (int layer = 1; layer <= 3; layer++) {
                var offer = PrepareSnapshotRequest.newBuilder()
                        .setKey("extract-%d %s".formatted(layer, artifact))
                        .setParent(layer == 1 ? "" : layer(layer - 1, artifact))
                        .putAllLabels(Map.of(
                                "containerd.io/snapshot.ref",
                                layer(layer, artifact),
                                "containerd.io/snapshot/thaw.dev.image",
                                artifact.toString()))
                        .build();
                assertThatThrownBy(() -> snapshots.prepare(offer))
                        .isInstanceOf(StatusRuntimeException.class)
                        .hasMessageContaining("ALREADY_EXISTS");
            }
            var root = snapshots.prepare(PrepareSnapshotRequest.newBuilder()
                    .setKey("k8s.io/1/" + artifact.hex())
                    .setParent(layer(3, artifact))
                    .build());
            var lower = root.getMounts(0).getOptionsList().stream()
                    .filter(option -> option.startsWith("lowerdir="))
                    .findFirst();
            assertThat(lower).isPresent();
            return Path.of(lower.get().substring("lowerdir=".length()));
        } finally {
            channel.shutdownNow();
            loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        }
    }

    private static String layer(int number, Digest artifact) {
        return "layer-%d %s".formatted(number, artifact);
    }
}
