package dev.thaw.bench;

import dev.thaw.agent.containerd.events.EventsGrpc;
import dev.thaw.agent.containerd.events.SubscribeRequest;
import dev.thaw.agent.containerd.events.TaskStart;
import dev.thaw.agent.containerd.types.Envelope;
import dev.thaw.bench.cri.ContainerConfig;
import dev.thaw.bench.cri.ContainerMetadata;
import dev.thaw.bench.cri.ContainerState;
import dev.thaw.bench.cri.ContainerStatusRequest;
import dev.thaw.bench.cri.CreateContainerRequest;
import dev.thaw.bench.cri.ImageServiceGrpc;
import dev.thaw.bench.cri.ImageSpec;
import dev.thaw.bench.cri.LinuxContainerConfig;
import dev.thaw.bench.cri.LinuxContainerSecurityContext;
import dev.thaw.bench.cri.LinuxPodSandboxConfig;
import dev.thaw.bench.cri.LinuxSandboxSecurityContext;
import dev.thaw.bench.cri.NamespaceMode;
import dev.thaw.bench.cri.NamespaceOption;
import dev.thaw.bench.cri.PodSandboxConfig;
import dev.thaw.bench.cri.PodSandboxMetadata;
import dev.thaw.bench.cri.PullImageRequest;
import dev.thaw.bench.cri.RemoveContainerRequest;
import dev.thaw.bench.cri.RemovePodSandboxRequest;
import dev.thaw.bench.cri.RunPodSandboxRequest;
import dev.thaw.bench.cri.RuntimeServiceGrpc;
import dev.thaw.bench.cri.StartContainerRequest;
import dev.thaw.bench.cri.StopContainerRequest;
import dev.thaw.bench.cri.StopPodSandboxRequest;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * What the kubelet is to containerd: one pod, on the node's network, whose containers are pulled, created and started by
 * CRI. So every system is asked the same questions by the same client, and the way is that of a real cluster.
 */
final class Cri implements AutoCloseable {
    private static final String CGROUP = "/thaw-bench";
    private static final Duration LIMIT = Duration.ofMinutes(15);

    private final EventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final ManagedChannel channel;
    private final Map<String, Instant> started = new ConcurrentHashMap<>();
    private final PodSandboxConfig pod;
    private final String podId;
    private int containers;

    /** @param logs where the output of containers goes */
    Cri(Path socket, String podName, Path logs) {
        channel = NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(socket))
                .channelType(NioDomainSocketChannel.class)
                .eventLoopGroup(loop)
                .executor(threads)
                .overrideAuthority("localhost")
                .usePlaintext()
                .build();
        var events = EventsGrpc.newBlockingStub(channel)
                .subscribe(SubscribeRequest.newBuilder()
                        .addFilters("topic==\"/tasks/start\"")
                        .build());
        threads.submit(() -> events.forEachRemaining(this::note));
        pod = PodSandboxConfig.newBuilder()
                .setMetadata(PodSandboxMetadata.newBuilder()
                        .setName(podName)
                        .setUid(podName)
                        .setNamespace("bench"))
                .setLogDirectory(logs.toString())
                .setLinux(LinuxPodSandboxConfig.newBuilder()
                        .setCgroupParent(CGROUP)
                        .setSecurityContext(
                                LinuxSandboxSecurityContext.newBuilder().setNamespaceOptions(namespaces())))
                .build();
        podId = runtime()
                .runPodSandbox(RunPodSandboxRequest.newBuilder().setConfig(pod).build())
                .getPodSandboxId();
    }

    private static NamespaceOption namespaces() {
        return NamespaceOption.newBuilder()
                .setNetwork(NamespaceMode.NODE)
                .setPid(NamespaceMode.CONTAINER)
                .build();
    }

    private void note(Envelope event) {
        try {
            var start = TaskStart.parseFrom(event.getEvent().getValue());
            var at = event.getTimestamp();
            started.putIfAbsent(start.getContainerId(), Instant.ofEpochSecond(at.getSeconds(), at.getNanos()));
        } catch (IOException e) {
            throw new IllegalStateException("containerd sent an event that is none", e);
        }
    }

    /** @throws StatusRuntimeException if the image cannot be had */
    void pull(String image) {
        ImageServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(LIMIT)
                .pullImage(PullImageRequest.newBuilder()
                        .setImage(ImageSpec.newBuilder().setImage(image))
                        .setSandboxConfig(pod)
                        .build());
    }

    /** Returns the container's id. Its output goes to a file named as {@code log} says. */
    String create(String image, List<String> arguments, String log) {
        var container = ContainerConfig.newBuilder()
                .setMetadata(ContainerMetadata.newBuilder().setName("main").setAttempt(containers++))
                .setImage(ImageSpec.newBuilder().setImage(image))
                .addAllArgs(arguments)
                .setLogPath(log)
                .setLinux(LinuxContainerConfig.newBuilder()
                        .setSecurityContext(
                                LinuxContainerSecurityContext.newBuilder().setNamespaceOptions(namespaces())));
        return runtime()
                .createContainer(CreateContainerRequest.newBuilder()
                        .setPodSandboxId(podId)
                        .setConfig(container)
                        .setSandboxConfig(pod)
                        .build())
                .getContainerId();
    }

    void start(String container) {
        runtime()
                .startContainer(StartContainerRequest.newBuilder()
                        .setContainerId(container)
                        .build());
    }

    /** When containerd said that the process of a container was started. */
    Instant startedAt(String container) throws InterruptedException, IOException {
        for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
                !started.containsKey(container);
                Thread.sleep(2)) {
            if (System.nanoTime() > end) {
                throw new IOException("containerd says nothing of the start of container " + container);
            }
        }
        return started.get(container);
    }

    /** @throws IOException if its process has ended, which it never does by itself */
    void requireRunning(String container) throws IOException {
        var status = runtime()
                .containerStatus(ContainerStatusRequest.newBuilder()
                        .setContainerId(container)
                        .build())
                .getStatus();
        if (status.getState() == ContainerState.CONTAINER_EXITED) {
            throw new IOException("its process ended with " + status.getExitCode());
        }
    }

    void remove(String container) {
        runtime()
                .stopContainer(StopContainerRequest.newBuilder()
                        .setContainerId(container)
                        .build());
        runtime()
                .removeContainer(RemoveContainerRequest.newBuilder()
                        .setContainerId(container)
                        .build());
    }

    private RuntimeServiceGrpc.RuntimeServiceBlockingStub runtime() {
        return RuntimeServiceGrpc.newBlockingStub(channel).withDeadlineAfter(LIMIT);
    }

    /** Takes the pod away, with what is left of its containers. */
    @Override
    public void close() {
        try {
            runtime()
                    .stopPodSandbox(StopPodSandboxRequest.newBuilder()
                            .setPodSandboxId(podId)
                            .build());
            runtime()
                    .removePodSandbox(RemovePodSandboxRequest.newBuilder()
                            .setPodSandboxId(podId)
                            .build());
        } finally {
            channel.shutdownNow();
            threads.shutdownNow();
            loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        }
    }
}
