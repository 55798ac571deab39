package dev.thaw.operator.node;

import com.google.protobuf.Timestamp;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.PrefetchPolicy;
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
import dev.thaw.node.v1.WatchImagesRequest;
import dev.thaw.node.v1.WatchWarmupsRequest;
import dev.thaw.oci.Credential;
import dev.thaw.oci.Reference;
import dev.thaw.operator.registry.RegistrySecrets;
import dev.thaw.operator.registry.TargetReference;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What agents ask and tell. Each call is one virtual thread. */
final class NodeEndpoint extends NodeServiceGrpc.NodeServiceImplBase {
    private static final Logger LOG = LoggerFactory.getLogger(NodeEndpoint.class);

    /** A changed Secret reaches the nodes within that time, unless a registry refuses the old one sooner. */
    private static final Duration CREDENTIAL_LIFE = Duration.ofMinutes(10);

    /** An agent's sentences are cut there: they end in a status. */
    private static final int SENTENCE = 500;

    private static final int SENTENCES = 32;

    private final ImageTable images;
    private final PodsOfNode pods;
    private final RegistrySecrets secrets;
    private final NodeReportTable reports;
    private final ColdStarts coldStarts;
    private final Traces traces;
    private final Warmups warmups;
    private final Runnable planning;
    private final Clock clock;

    /** @param planning has {@link Warmups#plan} done soon */
    NodeEndpoint(
            ImageTable images,
            PodsOfNode pods,
            RegistrySecrets secrets,
            NodeReportTable reports,
            ColdStarts coldStarts,
            Traces traces,
            Warmups warmups,
            Runnable planning,
            Clock clock) {
        this.images = images;
        this.pods = pods;
        this.secrets = secrets;
        this.reports = reports;
        this.coldStarts = coldStarts;
        this.traces = traces;
        this.warmups = warmups;
        this.planning = planning;
        this.clock = clock;
    }

    @Override
    public void watchImages(WatchImagesRequest request, StreamObserver<ImageEvent> observer) {
        var reply = (ServerCallStreamObserver<ImageEvent>) observer;
        var subscription = new Subscription(reply);
        reply.setOnCancelHandler(() -> images.remove(subscription));
        reply.setOnReadyHandler(subscription::send);
        images.add(subscription);
        if (reply.isCancelled()) { // it may have been before the handler was set
            images.remove(subscription);
        }
    }

    @Override
    public void getCredentials(GetCredentialsRequest request, StreamObserver<GetCredentialsResponse> reply) {
        answer(reply, () -> credentials(Caller.current(), request.getArtifactDigest()));
    }

    @Override
    public void reportColdStarts(ReportColdStartsRequest request, StreamObserver<ReportColdStartsResponse> reply) {
        answer(reply, () -> {
            var caller = Caller.current();
            for (var start : request.getColdStartsList()) {
                publisher(start.getArtifactDigest(), start.getPodNamespace())
                        .ifPresent(image -> coldStarts.add(
                                image,
                                caller.node(),
                                start,
                                pods.named(start.getPodNamespace(), start.getPodName())
                                        .filter(pod -> pod.uid().equals(start.getPodUid()))));
            }
            return ReportColdStartsResponse.getDefaultInstance();
        });
    }

    @Override
    public void reportNode(ReportNodeRequest request, StreamObserver<ReportNodeResponse> reply) {
        answer(reply, () -> {
            reports.put(report(Caller.current(), request));
            return ReportNodeResponse.getDefaultInstance();
        });
    }

    @Override
    public void getTrace(GetTraceRequest request, StreamObserver<GetTraceResponse> reply) {
        answer(reply, () -> {
            var artifact = request.getArtifactDigest();
            return isLearned(artifact)
                    ? GetTraceResponse.newBuilder()
                            .setChunks(traces.merged(artifact).chunks())
                            .setLearning(traces.isLearning(artifact))
                            .build()
                    : GetTraceResponse.getDefaultInstance();
        });
    }

    @Override
    public void reportTrace(ReportTraceRequest request, StreamObserver<ReportTraceResponse> reply) {
        answer(reply, () -> {
            boolean complete = true;
            if (isLearned(request.getArtifactDigest())) {
                if (!ReportedTrace.isSound(request)) {
                    throw Status.INVALID_ARGUMENT
                            .withDescription(
                                    "the trace names a chunk twice, or its lists differ in length or are too long")
                            .asException();
                }
                var over = over(request);
                traces.add(request.getArtifactDigest(), request, over);
                complete = over.filter(time -> ReportedTrace.isComplete(request, time))
                        .isPresent();
            }
            return ReportTraceResponse.newBuilder().setComplete(complete).build();
        });
    }

    @Override
    public void watchWarmups(WatchWarmupsRequest request, StreamObserver<dev.thaw.node.v1.Warmups> observer) {
        var reply = (ServerCallStreamObserver<dev.thaw.node.v1.Warmups>) observer;
        Caller caller;
        try {
            caller = Caller.current();
        } catch (StatusException e) {
            reply.onError(e);
            return;
        }
        var subscription = new WarmupSubscription(caller.node(), reply);
        reply.setOnCancelHandler(() -> warmups.remove(subscription));
        reply.setOnReadyHandler(subscription::send);
        warmups.add(subscription);
        if (reply.isCancelled()) { // it may have been before the handler was set
            warmups.remove(subscription);
        }
        planning.run();
    }

    private Optional<Instant> over(ReportTraceRequest request) {
        return pods.named(request.getPodNamespace(), request.getPodName())
                .filter(pod -> pod.uid().equals(request.getPodUid()))
                .flatMap(pod -> ReportedTrace.over(request, pod));
    }

    /** Whether a LazyImage wants to learn how the artifact is read. */
    private boolean isLearned(String artifact) throws StatusException {
        var publishers = images.publishers(artifact);
        if (publishers.isEmpty()) {
            throw unpublished(artifact);
        }
        return publishers.keySet().stream()
                .anyMatch(image -> image.getSpec().prefetch().policy() == PrefetchPolicy.LEARN);
    }

    private static StatusException unpublished(String artifact) {
        return Status.NOT_FOUND
                .withDescription("no LazyImage publishes " + artifact)
                .asException();
    }

    private GetCredentialsResponse credentials(Caller caller, String artifact) throws StatusException {
        var publishers = images.publishers(artifact);
        if (publishers.isEmpty()) {
            throw unpublished(artifact);
        }
        for (var publisher : publishers.entrySet()) {
            boolean told = warmups.wants(ImageName.of(publisher.getKey()), artifact, caller.node());
            if (told || isUsed(caller.node(), publisher.getKey())) {
                return credentials(publisher.getKey(), publisher.getValue());
            }
        }
        throw Status.PERMISSION_DENIED
                .withDescription("no pod on node " + caller.node() + " uses " + artifact
                        + " in the namespace of a LazyImage that publishes it, and the node is not told to hold it")
                .asException();
    }

    private GetCredentialsResponse credentials(LazyImage owner, Image image) throws StatusException {
        var refreshAfter = clock.instant().plus(CREDENTIAL_LIFE);
        var response = GetCredentialsResponse.newBuilder()
                .setRefreshAfter(Timestamp.newBuilder().setSeconds(refreshAfter.getEpochSecond()));
        var keys = secrets.pulling(owner);
        if (!keys.problems().isEmpty()) {
            LOG.warn("Credentials of LazyImage {} are not complete: {}", ImageName.of(owner), keys.problems());
        }
        var credential = keys.config().credential(image.getRegistry(), image.getRepository());
        switch (credential.orElse(null)) {
            case null -> {}
            case Credential.Basic(var user, var password) ->
                response.setUsername(user).setPassword(password);
            case Credential.IdentityToken(var token) -> response.setIdentityToken(token);
            case Credential.RegistryToken _ ->
                throw Status.FAILED_PRECONDITION
                        .withDescription("the Secret holds a registrytoken, which nodes cannot use: LazyImage "
                                + ImageName.of(owner) + " needs user and password, or an identitytoken")
                        .asException();
        }
        return response.build();
    }

    /** Only pods of the LazyImage's own namespace count: others must not profit from its Secrets. */
    private boolean isUsed(String node, LazyImage image) {
        var namespace = image.getMetadata().getNamespace();
        Predicate<WatchedPod> uses = pod -> pod.namespace().equals(namespace) && !pod.over() && uses(pod, image);
        return pods.on(node).stream().anyMatch(uses)
                || pods.askedFor(namespace, node).stream().anyMatch(uses);
    }

    static boolean uses(WatchedPod pod, LazyImage image) {
        var digests = ImageTable.digests(image);
        return pod.images().stream()
                .map(NodeEndpoint::reference)
                .flatMap(Optional::stream)
                .anyMatch(reference -> reference.digest() == null
                        ? isTarget(reference, image)
                        : digests.contains(String.valueOf(reference.digest())));
    }

    private static boolean isTarget(Reference reference, LazyImage image) {
        try {
            return reference.equals(TargetReference.of(image.getSpec()));
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private static Optional<Reference> reference(String image) {
        try {
            return Optional.of(Reference.parse(image));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private Optional<LazyImage> publisher(String artifact, String namespace) {
        Collection<LazyImage> publishers = images.publishers(artifact).keySet();
        return publishers.stream()
                .filter(image -> image.getMetadata().getNamespace().equals(namespace))
                .findFirst()
                .or(() -> publishers.stream().findFirst());
    }

    private NodeReport report(Caller caller, ReportNodeRequest request) {
        List<NodeReport.Image> held = request.getImagesList().stream()
                .map(image -> new NodeReport.Image(
                        image.getArtifactDigest(),
                        image.getCachedBytes(),
                        image.getTotalBytes(),
                        image.getInUse(),
                        cut(image.getError()),
                        image.getAttached(),
                        level(image.getWarmWanted()),
                        level(image.getWarm()),
                        cut(image.getWarmError())))
                .toList();
        return new NodeReport(
                caller.node(),
                caller.pod(),
                clock.instant(),
                request.getAgentVersion(),
                request.getContainerdVersion(),
                request.getKernelVersion(),
                request.getDriver(),
                cut(request.getDriverReason()),
                request.getCacheBytes(),
                request.getCacheCapacityBytes(),
                held,
                request.getProblemsList().stream()
                        .limit(SENTENCES)
                        .map(NodeEndpoint::cut)
                        .toList());
    }

    private static WarmLevel level(dev.thaw.node.v1.WarmLevel level) {
        return switch (level) {
            case WARM_LEVEL_UNSPECIFIED, UNRECOGNIZED -> WarmLevel.NONE;
            case WARM_LEVEL_METADATA -> WarmLevel.METADATA;
            case WARM_LEVEL_ENTRYPOINT -> WarmLevel.ENTRYPOINT;
            case WARM_LEVEL_TRACE -> WarmLevel.TRACE;
            case WARM_LEVEL_FULL -> WarmLevel.FULL;
        };
    }

    private static String cut(String text) {
        return text.length() <= SENTENCE ? text : text.substring(0, SENTENCE - 1) + "…";
    }

    /** An answer that may fail. */
    private interface Answer<T> {
        T get() throws StatusException;
    }

    /** The one place where exceptions become a Status. */
    private static <T> void answer(StreamObserver<T> reply, Answer<T> answer) {
        try {
            var message = answer.get();
            reply.onNext(message);
            reply.onCompleted();
        } catch (StatusException e) {
            reply.onError(e);
        } catch (RuntimeException e) {
            LOG.warn("A node agent's call failed", e);
            reply.onError(Status.INTERNAL
                    .withDescription("the operator failed; its log says how")
                    .asException());
        }
    }
}
