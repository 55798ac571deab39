package dev.thaw.agent.snapshot;

import dev.thaw.agent.AgentException.Misconfigured;
import dev.thaw.agent.containerd.snapshots.ListSnapshotsRequest;
import dev.thaw.agent.containerd.snapshots.SnapshotsGrpc;
import io.grpc.Server;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.micrometer.core.instrument.MeterRegistry;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves {@link Snapshots} to containerd on a unix socket that only root may use. The socket appears, or replaces that of an
 * agent before, in one step, when it can be served.
 */
public final class SnapshotServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotServer.class);
    private static final int MOST_MESSAGE_BYTES = 16 << 20;
    private static final Duration FIRST_CALL = Duration.ofSeconds(10);

    private final Path socket;
    private final Object identity;
    private final Server server;
    private final ExecutorService calls;
    private final EventLoopGroup loop;

    private SnapshotServer(Path socket, Object identity, Server server, ExecutorService calls, EventLoopGroup loop) {
        this.socket = socket;
        this.identity = identity;
        this.server = server;
        this.calls = calls;
        this.loop = loop;
    }

    /** @throws Misconfigured if the socket cannot be made */
    public static SnapshotServer start(Path socket, Snapshots snapshots, MeterRegistry registry) throws Misconfigured {
        var calls = Executors.newVirtualThreadPerTaskExecutor();
        var loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
        var fresh = socket.resolveSibling(socket.getFileName() + ".new");
        Server server = null;
        try {
            Files.createDirectories(socket.toAbsolutePath().getParent());
            Files.deleteIfExists(fresh);
            server = NettyServerBuilder.forAddress(UnixDomainSocketAddress.of(fresh))
                    .channelType(NioServerDomainSocketChannel.class)
                    .bossEventLoopGroup(loop)
                    .workerEventLoopGroup(loop)
                    .executor(calls)
                    .maxInboundMessageSize(MOST_MESSAGE_BYTES)
                    .permitKeepAliveTime(10, TimeUnit.SECONDS)
                    .permitKeepAliveWithoutCalls(true)
                    .addService(new SnapshotService(snapshots, new SnapshotMetrics(registry)))
                    .build()
                    .start();
            Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-------"));
            callOnce(fresh, loop, calls);
            var identity = identity(fresh);
            Files.move(fresh, socket, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            LOG.debug("containerd is served on {}", socket);
            return new SnapshotServer(socket, identity, server, calls, loop);
        } catch (IOException e) {
            if (server != null) {
                server.shutdownNow();
            }
            calls.close();
            loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
            throw new Misconfigured("socket " + socket + " cannot be made: " + e.getMessage(), e);
        }
    }

    /**
     * containerd gives a new connection one second to say its first word (its proxy plugins set no least connection
     * timeout). On a busy machine that is too short for a program that has not answered anything yet: so the first to be
     * answered is this one itself.
     */
    private static void callOnce(Path socket, EventLoopGroup loop, ExecutorService calls) {
        var channel = NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(socket))
                .channelType(NioDomainSocketChannel.class)
                .eventLoopGroup(loop)
                .executor(calls)
                .overrideAuthority("localhost")
                .usePlaintext()
                .build();
        try {
            SnapshotsGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(FIRST_CALL)
                    .list(ListSnapshotsRequest.getDefaultInstance())
                    .forEachRemaining(_ -> {});
        } catch (StatusRuntimeException e) {
            LOG.warn("does not answer itself within {} s, but goes on: {}", FIRST_CALL.toSeconds(), e.getStatus());
        } finally {
            channel.shutdownNow();
        }
    }

    private static Object identity(Path socket) throws IOException {
        return Objects.requireNonNull(Files.getAttribute(socket, "unix:ino", LinkOption.NOFOLLOW_LINKS));
    }

    public Path socket() {
        return socket;
    }

    /** Ends when the server does. */
    public void awaitEnd() throws InterruptedException {
        server.awaitTermination();
    }

    /** Lets calls under way end, for ten seconds at most; then takes the socket away, unless it is a successor's by now. */
    @Override
    public void close() {
        server.shutdown();
        try {
            if (!server.awaitTermination(10, TimeUnit.SECONDS)) {
                server.shutdownNow();
            }
            if (Files.exists(socket, LinkOption.NOFOLLOW_LINKS)
                    && identity(socket).equals(identity)) {
                Files.deleteIfExists(socket);
            }
        } catch (InterruptedException e) {
            server.shutdownNow();
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            LOG.debug("{} is left behind: {}", socket, e.toString());
        } finally {
            calls.shutdown();
            loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        }
    }
}
