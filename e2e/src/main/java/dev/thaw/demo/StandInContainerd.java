package dev.thaw.demo;

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
import dev.thaw.agent.containerd.types.Envelope;
import dev.thaw.agent.containerd.version.VersionGrpc;
import dev.thaw.agent.containerd.version.VersionResponse;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/**
 * What the agent's clock asks containerd, where there is no containerd: which containers there are, and when their
 * process started.
 */
final class StandInContainerd implements AutoCloseable {
    private final EventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final Map<String, Container> containers = new ConcurrentHashMap<>();
    private final List<StreamObserver<Envelope>> listeners = new CopyOnWriteArrayList<>();
    private final Server server;

    StandInContainerd(Path socket) throws IOException {
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

    /** Tells whoever listens that the process of a container runs. */
    void started(String namespace, Container container, long processId, Instant at) {
        containers.put(container.getId(), container);
        var event = TaskStart.newBuilder()
                .setContainerId(container.getId())
                .setPid((int) processId)
                .build();
        var envelope = Envelope.newBuilder()
                .setTimestamp(
                        Timestamp.newBuilder().setSeconds(at.getEpochSecond()).setNanos(at.getNano()))
                .setNamespace(namespace)
                .setTopic("/tasks/start")
                .setEvent(Any.newBuilder()
                        .setTypeUrl("containerd.events.TaskStart")
                        .setValue(event.toByteString()))
                .build();
        listeners.forEach(listener -> listener.onNext(envelope));
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

    private final class Containers extends ContainersGrpc.ContainersImplBase {
        @Override
        public void get(GetContainerRequest request, StreamObserver<GetContainerResponse> reply) {
            Optional.ofNullable(containers.get(request.getId()))
                    .ifPresentOrElse(
                            container -> {
                                reply.onNext(GetContainerResponse.newBuilder()
                                        .setContainer(container)
                                        .build());
                                reply.onCompleted();
                            },
                            () -> reply.onError(Status.NOT_FOUND.asRuntimeException()));
        }
    }

    private static final class Version extends VersionGrpc.VersionImplBase {
        @Override
        public void version(Empty request, StreamObserver<VersionResponse> reply) {
            reply.onNext(VersionResponse.newBuilder().setVersion("demo").build());
            reply.onCompleted();
        }
    }
}
