package dev.thaw.agent.node;

import dev.thaw.agent.config.AgentSettings.NodeServiceAddress;
import dev.thaw.agent.image.ImageEntry;
import dev.thaw.node.v1.NodeServiceGrpc;
import dev.thaw.node.v1.NodeServiceGrpc.NodeServiceBlockingV2Stub;
import dev.thaw.oci.CredentialSource;
import io.grpc.CallCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Clock;
import java.util.Arrays;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The TLS channel to the operator's NodeService. Token and CA are files that others renew: the token is read for each
 * call, and a changed CA makes a new channel.
 */
public final class NodeServiceConnection implements AutoCloseable {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final NodeServiceAddress address;
    private final ReentrantLock lock = new ReentrantLock();
    private @Nullable ManagedChannel channel;
    private byte[] authorities = new byte[0];

    public NodeServiceConnection(NodeServiceAddress address) {
        this.address = address;
    }

    /**
     * A stub for calls now; not to be kept.
     *
     * @throws IOException when the CA file is missing or no certificate
     */
    NodeServiceBlockingV2Stub service() throws IOException {
        return NodeServiceGrpc.newBlockingV2Stub(channel()).withCallCredentials(new TokenFile());
    }

    /** The credentials that the operator has for an image. */
    public CredentialSource credentialsFor(ImageEntry image, Clock clock) {
        return new NodeCredentials(this, image.artifact(), image.repository().registry(), clock);
    }

    private ManagedChannel channel() throws IOException {
        lock.lock();
        try {
            var trusted = Files.readAllBytes(address.caFile());
            var open = channel;
            if (open != null && Arrays.equals(trusted, authorities)) {
                open.resetConnectBackoff(); // callers pause between tries by themselves
                return open;
            }
            var tls = GrpcSslContexts.forClient()
                    .trustManager(new ByteArrayInputStream(trusted))
                    .build();
            var builder = NettyChannelBuilder.forTarget("dns:///" + address.address())
                    .sslContext(tls)
                    // finds out that an operator's pod is gone where no packet says so
                    .keepAliveTime(30, TimeUnit.SECONDS)
                    .keepAliveTimeout(10, TimeUnit.SECONDS);
            address.serverName().ifPresent(builder::overrideAuthority);
            var fresh = builder.build();
            channel = fresh;
            authorities = trusted;
            if (open != null) {
                open.shutdown();
            }
            return fresh;
        } catch (IllegalArgumentException e) {
            throw new IOException(address.caFile() + " holds no certificate", e);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        lock.lock();
        try {
            if (channel != null) {
                channel.shutdownNow();
                channel = null;
            }
        } finally {
            lock.unlock();
        }
    }

    private final class TokenFile extends CallCredentials {
        @Override
        public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
            executor.execute(() -> {
                try {
                    var headers = new Metadata();
                    headers.put(
                            AUTHORIZATION,
                            "Bearer " + Files.readString(address.tokenFile()).strip());
                    applier.apply(headers);
                } catch (IOException e) {
                    applier.fail(Status.UNAUTHENTICATED
                            .withDescription(address.tokenFile() + " cannot be read")
                            .withCause(e));
                }
            });
        }
    }
}
