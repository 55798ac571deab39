package dev.thaw.agent.rehearsal;

import dev.thaw.node.v1.BackgroundFetch;
import dev.thaw.node.v1.GetCredentialsRequest;
import dev.thaw.node.v1.GetCredentialsResponse;
import dev.thaw.node.v1.GetTraceRequest;
import dev.thaw.node.v1.GetTraceResponse;
import dev.thaw.node.v1.Image;
import dev.thaw.node.v1.ImageEvent;
import dev.thaw.node.v1.NodeServiceGrpc;
import dev.thaw.node.v1.PrefetchPolicy;
import dev.thaw.node.v1.ReportColdStartsRequest;
import dev.thaw.node.v1.ReportColdStartsResponse;
import dev.thaw.node.v1.ReportNodeRequest;
import dev.thaw.node.v1.ReportNodeResponse;
import dev.thaw.node.v1.ReportTraceRequest;
import dev.thaw.node.v1.ReportTraceResponse;
import dev.thaw.node.v1.Synced;
import dev.thaw.node.v1.Warmups;
import dev.thaw.node.v1.WatchImagesRequest;
import dev.thaw.node.v1.WatchWarmupsRequest;
import io.grpc.Server;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.List;

/** NodeService on loopback, with images that no LazyImage ever published. */
final class PlayedOperator extends NodeServiceGrpc.NodeServiceImplBase implements AutoCloseable {
    private static final String NAMESPACE = "rehearsal";

    private final List<Image> images;
    private final Server server;

    PlayedOperator(LoopbackCertificate certificate, String registry, List<PlayedImage> images)
            throws IOException, GeneralSecurityException {
        this.images = images.stream().map(image -> entry(registry, image)).toList();
        server = NettyServerBuilder.forAddress(
                        new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), 0))
                .sslContext(GrpcSslContexts.forServer(stream(certificate.pem()), stream(certificate.keyPem()))
                        .build())
                .addService(this)
                .build()
                .start();
    }

    private static ByteArrayInputStream stream(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.US_ASCII));
    }

    private static Image entry(String registry, PlayedImage image) {
        return Image.newBuilder()
                .setArtifactDigest(image.artifact().toString())
                .setLazyDigest(image.artifact().toString())
                .setSourceDigest(image.artifact().toString())
                .setRegistry(registry)
                .setRepository(PlayedRegistry.REPOSITORY)
                .setNamespace(NAMESPACE)
                .setName(image.artifact().hex().substring(0, 12))
                .setBackgroundFetch(BackgroundFetch.BACKGROUND_FETCH_AFTER_READY)
                .setPrefetchPolicy(PrefetchPolicy.PREFETCH_POLICY_LEARN)
                .build();
    }

    String address() {
        return "127.0.0.1:" + server.getPort();
    }

    @Override
    public void watchImages(WatchImagesRequest request, StreamObserver<ImageEvent> reply) {
        images.forEach(
                image -> reply.onNext(ImageEvent.newBuilder().setUpsert(image).build()));
        reply.onNext(
                ImageEvent.newBuilder().setSynced(Synced.getDefaultInstance()).build());
    }

    @Override
    public void watchWarmups(WatchWarmupsRequest request, StreamObserver<Warmups> reply) {
        reply.onNext(Warmups.getDefaultInstance());
    }

    @Override
    public void getCredentials(GetCredentialsRequest request, StreamObserver<GetCredentialsResponse> reply) {
        answer(reply, GetCredentialsResponse.getDefaultInstance());
    }

    @Override
    public void getTrace(GetTraceRequest request, StreamObserver<GetTraceResponse> reply) {
        answer(reply, GetTraceResponse.newBuilder().setLearning(true).build());
    }

    @Override
    public void reportTrace(ReportTraceRequest request, StreamObserver<ReportTraceResponse> reply) {
        answer(reply, ReportTraceResponse.getDefaultInstance());
    }

    @Override
    public void reportColdStarts(ReportColdStartsRequest request, StreamObserver<ReportColdStartsResponse> reply) {
        answer(reply, ReportColdStartsResponse.getDefaultInstance());
    }

    @Override
    public void reportNode(ReportNodeRequest request, StreamObserver<ReportNodeResponse> reply) {
        answer(reply, ReportNodeResponse.getDefaultInstance());
    }

    private static <T> void answer(StreamObserver<T> reply, T message) {
        reply.onNext(message);
        reply.onCompleted();
    }

    @Override
    public void close() {
        server.shutdownNow();
    }
}
