package dev.thaw.agent.node;

import dev.thaw.agent.config.AgentSettings.NodeServiceAddress;
import dev.thaw.node.v1.ColdStart;
import dev.thaw.node.v1.GetCredentialsRequest;
import dev.thaw.node.v1.GetCredentialsResponse;
import dev.thaw.node.v1.GetTraceRequest;
import dev.thaw.node.v1.GetTraceResponse;
import dev.thaw.node.v1.Image;
import dev.thaw.node.v1.ImageEvent;
import dev.thaw.node.v1.NodeServiceGrpc;
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
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import okhttp3.tls.HeldCertificate;

/** An operator as agents see it: NodeService over TLS on loopback, with a certificate for another name than its address. */
public final class FakeOperator extends NodeServiceGrpc.NodeServiceImplBase implements AutoCloseable {
    static final String NAME = "thaw-node.thaw-system.svc";

    final List<Image> images = new CopyOnWriteArrayList<>();
    final ConcurrentLinkedQueue<ColdStart> coldStarts = new ConcurrentLinkedQueue<>();
    final ConcurrentLinkedQueue<ReportNodeRequest> nodeReports = new ConcurrentLinkedQueue<>();
    final ConcurrentLinkedQueue<String> tokens = new ConcurrentLinkedQueue<>();
    public final ConcurrentLinkedQueue<ReportTraceRequest> traces = new ConcurrentLinkedQueue<>();
    /** So many reports are all that it asks for. */
    public volatile int wantedTraces = 1;

    final AtomicInteger credentialCalls = new AtomicInteger();
    volatile Optional<GetCredentialsResponse> credentials = Optional.empty();
    public volatile GetTraceResponse learned = GetTraceResponse.getDefaultInstance();
    volatile Optional<Warmups> warmups = Optional.empty();

    private final List<StreamObserver<ImageEvent>> watchers = new CopyOnWriteArrayList<>();
    private final List<StreamObserver<Warmups>> holders = new CopyOnWriteArrayList<>();
    private final HeldCertificate certificate =
            new HeldCertificate.Builder().addSubjectAlternativeName(NAME).build();
    private final Path dir;
    private final int port;
    private Server server;

    public FakeOperator(Path dir) throws IOException {
        this.dir = dir;
        Files.writeString(dir.resolve("ca.crt"), certificate.certificatePem());
        Files.writeString(dir.resolve("token"), "first-token\n");
        server = listen(0);
        port = server.getPort();
    }

    private Server listen(int port) throws IOException {
        var tls = GrpcSslContexts.forServer(
                        stream(certificate.certificatePem()), stream(certificate.privateKeyPkcs8Pem()))
                .build();
        return NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), port))
                .sslContext(tls)
                .addService(ServerInterceptors.intercept(this, new TokenRecorder()))
                .build()
                .start();
    }

    private static ByteArrayInputStream stream(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.US_ASCII));
    }

    public NodeServiceAddress address() {
        return new NodeServiceAddress(
                "127.0.0.1:" + port, Optional.of(NAME), dir.resolve("ca.crt"), dir.resolve("token"));
    }

    void goAway() {
        watchers.clear();
        holders.clear();
        server.shutdownNow();
        try {
            server.awaitTermination();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    void comeBack() throws IOException {
        server = listen(port);
    }

    void tell(ImageEvent event) {
        watchers.forEach(watcher -> watcher.onNext(event));
    }

    void want(Warmups wanted) {
        warmups = Optional.of(wanted);
        holders.forEach(holder -> holder.onNext(wanted));
    }

    @Override
    public void watchWarmups(WatchWarmupsRequest request, StreamObserver<Warmups> reply) {
        holders.add(reply);
        warmups.ifPresent(reply::onNext);
    }

    @Override
    public void getTrace(GetTraceRequest request, StreamObserver<GetTraceResponse> reply) {
        reply.onNext(learned);
        reply.onCompleted();
    }

    @Override
    public void reportTrace(ReportTraceRequest request, StreamObserver<ReportTraceResponse> reply) {
        traces.add(request);
        reply.onNext(ReportTraceResponse.newBuilder()
                .setComplete(traces.size() >= wantedTraces)
                .build());
        reply.onCompleted();
    }

    @Override
    public void watchImages(WatchImagesRequest request, StreamObserver<ImageEvent> reply) {
        images.forEach(
                image -> reply.onNext(ImageEvent.newBuilder().setUpsert(image).build()));
        reply.onNext(
                ImageEvent.newBuilder().setSynced(Synced.getDefaultInstance()).build());
        watchers.add(reply);
    }

    @Override
    public void getCredentials(GetCredentialsRequest request, StreamObserver<GetCredentialsResponse> reply) {
        credentialCalls.incrementAndGet();
        if (credentials.isEmpty()) {
            reply.onError(Status.PERMISSION_DENIED.asRuntimeException());
            return;
        }
        reply.onNext(credentials.get());
        reply.onCompleted();
    }

    @Override
    public void reportColdStarts(ReportColdStartsRequest request, StreamObserver<ReportColdStartsResponse> reply) {
        coldStarts.addAll(request.getColdStartsList());
        reply.onNext(ReportColdStartsResponse.getDefaultInstance());
        reply.onCompleted();
    }

    @Override
    public void reportNode(ReportNodeRequest request, StreamObserver<ReportNodeResponse> reply) {
        nodeReports.add(request);
        reply.onNext(ReportNodeResponse.getDefaultInstance());
        reply.onCompleted();
    }

    @Override
    public void close() {
        server.shutdownNow();
    }

    private final class TokenRecorder implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            tokens.add(String.valueOf(headers.get(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER))));
            return next.startCall(call, headers);
        }
    }
}
