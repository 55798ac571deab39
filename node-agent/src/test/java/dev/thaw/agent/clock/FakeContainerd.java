package dev.thaw.agent.clock;

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
import dev.thaw.agent.containerd.tasks.ListTasksRequest;
import dev.thaw.agent.containerd.tasks.ListTasksResponse;
import dev.thaw.agent.containerd.tasks.Process;
import dev.thaw.agent.containerd.tasks.TasksGrpc;
import dev.thaw.agent.containerd.types.Envelope;
import dev.thaw.agent.containerd.version.VersionGrpc;
import dev.thaw.agent.containerd.version.VersionResponse;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** A containerd that knows containers and says what it is told to say. */
final class FakeContainerd implements AutoCloseable {
    private static final Context.Key<String> NAMESPACE = Context.key("namespace");

    private final MultiThreadIoEventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final Map<String, Container> containers = new ConcurrentHashMap<>();
    private final CopyOnWriteArrayList<StreamObserver<Envelope>> listeners = new CopyOnWriteArrayList<>();
    final CopyOnWriteArrayList<String> filters = new CopyOnWriteArrayList<>();
    private final List<String> running;
    private final Server server;

    /** @param running ids of containers in k8s.io that run already */
    FakeContainerd(Path socket, String... running) throws IOException {
        this.running = List.of(running);
        Files.deleteIfExists(socket);
        server = NettyServerBuilder.forAddress(UnixDomainSocketAddress.of(socket))
                .channelType(NioServerDomainSocketChannel.class)
                .bossEventLoopGroup(loop)
                .workerEventLoopGroup(loop)
                .intercept(new NamespaceHeader())
                .addService(new Events())
                .addService(new Containers())
                .addService(new Tasks())
                .addService(new Version())
                .build()
                .start();
    }

    void add(String namespace, Container container) {
        containers.put(namespace + " " + container.getId(), container);
    }

    int listenerCount() {
        return listeners.size();
    }

    void taskStarts(String namespace, String container, Instant at) {
        var envelope = Envelope.newBuilder()
                .setNamespace(namespace)
                .setTopic("/tasks/start")
                .setTimestamp(
                        Timestamp.newBuilder().setSeconds(at.getEpochSecond()).setNanos(at.getNano()))
                .setEvent(Any.newBuilder()
                        .setTypeUrl("containerd.events.TaskStart")
                        .setValue(TaskStart.newBuilder()
                                .setContainerId(container)
                                .build()
                                .toByteString()))
                .build();
        listeners.forEach(listener -> listener.onNext(envelope));
    }

    void says(Envelope envelope) {
        listeners.forEach(listener -> listener.onNext(envelope));
    }

    @Override
    public void close() throws InterruptedException {
        server.shutdownNow();
        server.awaitTermination(5, TimeUnit.SECONDS);
        loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    private static final class NamespaceHeader implements ServerInterceptor {
        @Override
        public <Q, R> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
            var namespace = headers.get(Metadata.Key.of("containerd-namespace", Metadata.ASCII_STRING_MARSHALLER));
            return Contexts.interceptCall(
                    Context.current().withValue(NAMESPACE, namespace == null ? "" : namespace), call, headers, next);
        }
    }

    private final class Events extends EventsGrpc.EventsImplBase {
        @Override
        public void subscribe(SubscribeRequest request, StreamObserver<Envelope> reply) {
            filters.addAll(request.getFiltersList());
            listeners.add(reply);
        }
    }

    private final class Containers extends ContainersGrpc.ContainersImplBase {
        @Override
        public void get(GetContainerRequest request, StreamObserver<GetContainerResponse> reply) {
            var container = containers.get(NAMESPACE.get() + " " + request.getId());
            if (container == null) {
                reply.onError(Status.NOT_FOUND.asRuntimeException());
                return;
            }
            reply.onNext(
                    GetContainerResponse.newBuilder().setContainer(container).build());
            reply.onCompleted();
        }
    }

    private final class Tasks extends TasksGrpc.TasksImplBase {
        @Override
        public void list(ListTasksRequest request, StreamObserver<ListTasksResponse> reply) {
            var tasks = ListTasksResponse.newBuilder();
            if ("k8s.io".equals(NAMESPACE.get())) {
                running.forEach(id -> tasks.addTasks(process(id, dev.thaw.agent.containerd.tasks.Status.RUNNING)));
                tasks.addTasks(process("created", dev.thaw.agent.containerd.tasks.Status.CREATED));
            }
            reply.onNext(tasks.build());
            reply.onCompleted();
        }

        private static Process process(String id, dev.thaw.agent.containerd.tasks.Status status) {
            return Process.newBuilder().setId(id).setStatus(status).build();
        }
    }

    private static final class Version extends VersionGrpc.VersionImplBase {
        @Override
        public void version(Empty request, StreamObserver<VersionResponse> reply) {
            reply.onNext(VersionResponse.newBuilder().setVersion("v2.1.9").build());
            reply.onCompleted();
        }
    }
}
