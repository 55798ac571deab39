package dev.thaw.agent.clock;

import com.google.protobuf.Empty;
import dev.thaw.agent.containerd.containers.Container;
import dev.thaw.agent.containerd.containers.ContainersGrpc;
import dev.thaw.agent.containerd.containers.GetContainerRequest;
import dev.thaw.agent.containerd.events.EventsGrpc;
import dev.thaw.agent.containerd.events.SubscribeRequest;
import dev.thaw.agent.containerd.types.Envelope;
import dev.thaw.agent.containerd.version.VersionGrpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** The node's containerd, as its API shows it on the unix socket. Connects when asked something, and again after a loss. */
public final class Containerd implements AutoCloseable {
    private static final Metadata.Key<String> NAMESPACE =
            Metadata.Key.of("containerd-namespace", Metadata.ASCII_STRING_MARSHALLER);
    private static final Duration CALL_LIMIT = Duration.ofSeconds(10);

    private final EventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();
    private final ManagedChannel channel;

    public Containerd(Path socket) {
        channel = NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(socket))
                .channelType(NioDomainSocketChannel.class)
                .eventLoopGroup(loop)
                .executor(calls)
                .overrideAuthority("localhost")
                .usePlaintext()
                .build();
    }

    /**
     * Its version, such as "v2.1.9".
     *
     * @throws StatusRuntimeException if it does not answer
     */
    public String version() {
        return VersionGrpc.newBlockingStub(channel)
                .withDeadlineAfter(CALL_LIMIT)
                .version(Empty.getDefaultInstance())
                .getVersion();
    }

    /**
     * The container of that id; empty if it is gone.
     *
     * @throws StatusRuntimeException if containerd does not answer
     */
    Optional<Container> container(String namespace, String id) {
        var headers = new Metadata();
        headers.put(NAMESPACE, namespace);
        try {
            return Optional.of(ContainersGrpc.newBlockingStub(channel)
                    .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                    .withDeadlineAfter(CALL_LIMIT)
                    .get(GetContainerRequest.newBuilder().setId(id).build())
                    .getContainer());
        } catch (StatusRuntimeException e) {
            if (e.getStatus().getCode() == Status.Code.NOT_FOUND) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /**
     * Events of a topic, in all namespaces, from now on. The iterator blocks; it throws {@link StatusRuntimeException} when
     * the connection is lost or {@link #close} is called.
     */
    Iterator<Envelope> events(String topic) {
        // The channel waits longer and longer between its own attempts; the caller has a rhythm already.
        channel.resetConnectBackoff();
        return EventsGrpc.newBlockingStub(channel)
                .subscribe(SubscribeRequest.newBuilder()
                        .addFilters("topic==\"" + topic + "\"")
                        .build());
    }

    @Override
    public void close() {
        channel.shutdownNow();
        calls.shutdown();
        loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }
}
