package dev.thaw.agent.clock;

import com.google.protobuf.Empty;
import dev.thaw.agent.containerd.containers.Container;
import dev.thaw.agent.containerd.containers.ContainersGrpc;
import dev.thaw.agent.containerd.containers.GetContainerRequest;
import dev.thaw.agent.containerd.events.EventsGrpc;
import dev.thaw.agent.containerd.events.SubscribeRequest;
import dev.thaw.agent.containerd.tasks.ListTasksRequest;
import dev.thaw.agent.containerd.tasks.Process;
import dev.thaw.agent.containerd.tasks.TasksGrpc;
import dev.thaw.agent.containerd.types.Envelope;
import dev.thaw.agent.containerd.version.VersionGrpc;
import io.grpc.ClientInterceptor;
import io.grpc.ConnectivityState;
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
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** The node's containerd, as its API shows it on the unix socket. Connects when asked something, and again after a loss. */
public final class Containerd implements AutoCloseable {
    private static final Metadata.Key<String> NAMESPACE =
            Metadata.Key.of("containerd-namespace", Metadata.ASCII_STRING_MARSHALLER);
    private static final Duration CALL_LIMIT = Duration.ofSeconds(10);
    /** Short, since what a new containerd starts first would go unseen; a look costs some ten microseconds. */
    private static final Duration BETWEEN_LOOKS = Duration.ofMillis(20);

    private final UnixDomainSocketAddress address;
    private final EventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();
    private final ManagedChannel channel;

    public Containerd(Path socket) {
        address = UnixDomainSocketAddress.of(socket);
        channel = NettyChannelBuilder.forAddress(address)
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
        try {
            return Optional.of(ContainersGrpc.newBlockingStub(channel)
                    .withInterceptors(in(namespace))
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
     * Ids of the containers of a namespace whose process runs.
     *
     * @throws StatusRuntimeException if containerd does not answer
     */
    List<String> running(String namespace) {
        return TasksGrpc.newBlockingStub(channel)
                .withInterceptors(in(namespace))
                .withDeadlineAfter(CALL_LIMIT)
                .list(ListTasksRequest.getDefaultInstance())
                .getTasksList()
                .stream()
                .filter(task -> task.getStatus() == dev.thaw.agent.containerd.tasks.Status.RUNNING)
                .map(Process::getId)
                .toList();
    }

    private static ClientInterceptor in(String namespace) {
        var headers = new Metadata();
        headers.put(NAMESPACE, namespace);
        return MetadataUtils.newAttachHeadersInterceptor(headers);
    }

    /**
     * Events of a topic, in all namespaces, from about now on. Waits until containerd can be reached. The iterator blocks; it
     * throws {@link StatusRuntimeException} when the connection is lost or {@link #close} is called.
     */
    Iterator<Envelope> events(String topic) throws InterruptedException {
        awaitConnection();
        return EventsGrpc.newBlockingStub(channel)
                .subscribe(SubscribeRequest.newBuilder()
                        .addFilters("topic==\"" + topic + "\"")
                        .build());
    }

    /** The channel waits longer and longer between its own attempts; with somebody listening, none of that is needed. */
    private void awaitConnection() throws InterruptedException {
        for (var state = channel.getState(true);
                state != ConnectivityState.READY && state != ConnectivityState.SHUTDOWN;
                state = channel.getState(true)) {
            if (isListening()) {
                channel.resetConnectBackoff();
            }
            Thread.sleep(BETWEEN_LOOKS);
        }
    }

    private boolean isListening() {
        try (var probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            probe.configureBlocking(false);
            return probe.connect(address);
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public void close() {
        channel.shutdownNow();
        calls.shutdown();
        loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }
}
