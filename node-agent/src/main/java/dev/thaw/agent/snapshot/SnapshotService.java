package dev.thaw.agent.snapshot;

import com.google.protobuf.Empty;
import com.google.protobuf.Timestamp;
import dev.thaw.agent.AgentException;
import dev.thaw.agent.containerd.snapshots.CleanupRequest;
import dev.thaw.agent.containerd.snapshots.CommitSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.Info;
import dev.thaw.agent.containerd.snapshots.ListSnapshotsRequest;
import dev.thaw.agent.containerd.snapshots.ListSnapshotsResponse;
import dev.thaw.agent.containerd.snapshots.MountsRequest;
import dev.thaw.agent.containerd.snapshots.MountsResponse;
import dev.thaw.agent.containerd.snapshots.PrepareSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.PrepareSnapshotResponse;
import dev.thaw.agent.containerd.snapshots.RemoveSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.SnapshotsGrpc;
import dev.thaw.agent.containerd.snapshots.StatSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.StatSnapshotResponse;
import dev.thaw.agent.containerd.snapshots.UpdateSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.UpdateSnapshotResponse;
import dev.thaw.agent.containerd.snapshots.UsageRequest;
import dev.thaw.agent.containerd.snapshots.UsageResponse;
import dev.thaw.agent.containerd.snapshots.ViewSnapshotRequest;
import dev.thaw.agent.containerd.snapshots.ViewSnapshotResponse;
import dev.thaw.agent.snapshot.SnapshotMetrics.Result;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** containerd's snapshot service. Each call is one virtual thread; the records serialise what must be serial. */
final class SnapshotService extends SnapshotsGrpc.SnapshotsImplBase {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotService.class);

    /** As in containerd's own service: keeps each message far below gRPC's limit. */
    private static final int LISTED_AT_ONCE = 100;

    private final Snapshots snapshots;
    private final SnapshotMetrics metrics;

    SnapshotService(Snapshots snapshots, SnapshotMetrics metrics) {
        this.snapshots = snapshots;
        this.metrics = metrics;
    }

    @Override
    public void prepare(PrepareSnapshotRequest request, StreamObserver<PrepareSnapshotResponse> reply) {
        answer(Operation.PREPARE, reply, () -> switch (snapshots.prepare(
                request.getKey(), request.getParent(), request.getLabelsMap())) {
            case Snapshots.Prepared.Writable writable ->
                PrepareSnapshotResponse.newBuilder()
                        .addAllMounts(wire(writable.mounts()))
                        .build();
            case Snapshots.Prepared.Claimed claimed -> throw new ClaimAnswer(claimed.name());
        });
    }

    @Override
    public void view(ViewSnapshotRequest request, StreamObserver<ViewSnapshotResponse> reply) {
        answer(
                Operation.VIEW,
                reply,
                () -> ViewSnapshotResponse.newBuilder()
                        .addAllMounts(
                                wire(snapshots.view(request.getKey(), request.getParent(), request.getLabelsMap())))
                        .build());
    }

    @Override
    public void mounts(MountsRequest request, StreamObserver<MountsResponse> reply) {
        answer(
                Operation.MOUNTS,
                reply,
                () -> MountsResponse.newBuilder()
                        .addAllMounts(wire(snapshots.mounts(request.getKey())))
                        .build());
    }

    @Override
    public void commit(CommitSnapshotRequest request, StreamObserver<Empty> reply) {
        answer(Operation.COMMIT, reply, () -> {
            snapshots.commit(request.getName(), request.getKey(), request.getLabelsMap());
            return Empty.getDefaultInstance();
        });
    }

    @Override
    public void remove(RemoveSnapshotRequest request, StreamObserver<Empty> reply) {
        answer(Operation.REMOVE, reply, () -> {
            snapshots.remove(request.getKey());
            return Empty.getDefaultInstance();
        });
    }

    @Override
    public void stat(StatSnapshotRequest request, StreamObserver<StatSnapshotResponse> reply) {
        answer(
                Operation.STAT,
                reply,
                () -> StatSnapshotResponse.newBuilder()
                        .setInfo(wire(snapshots.stat(request.getKey())))
                        .build());
    }

    @Override
    public void update(UpdateSnapshotRequest request, StreamObserver<UpdateSnapshotResponse> reply) {
        answer(
                Operation.UPDATE,
                reply,
                () -> UpdateSnapshotResponse.newBuilder()
                        .setInfo(wire(snapshots.update(
                                request.getInfo().getName(),
                                request.getInfo().getLabelsMap(),
                                request.getUpdateMask().getPathsList())))
                        .build());
    }

    @Override
    public void list(ListSnapshotsRequest request, StreamObserver<ListSnapshotsResponse> reply) {
        answerAll(Operation.LIST, reply, () -> {
            var infos = snapshots.list(request.getFiltersList()).stream()
                    .map(SnapshotService::wire)
                    .toList();
            return Stream.iterate(0, from -> from < infos.size(), from -> from + LISTED_AT_ONCE)
                    .map(from -> ListSnapshotsResponse.newBuilder()
                            .addAllInfo(infos.subList(from, Math.min(from + LISTED_AT_ONCE, infos.size())))
                            .build())
                    .toList();
        });
    }

    @Override
    public void usage(UsageRequest request, StreamObserver<UsageResponse> reply) {
        answer(Operation.USAGE, reply, () -> {
            var usage = snapshots.usage(request.getKey());
            return UsageResponse.newBuilder()
                    .setSize(usage.sizeBytes())
                    .setInodes(usage.inodes())
                    .build();
        });
    }

    @Override
    public void cleanup(CleanupRequest request, StreamObserver<Empty> reply) {
        answer(Operation.CLEANUP, reply, () -> {
            snapshots.cleanup();
            return Empty.getDefaultInstance();
        });
    }

    // --- the one place where exceptions become a Status

    private interface Call<T> {
        T run() throws AgentException, ClaimAnswer;
    }

    /** A claim is a success that the protocol wants told as an error. */
    private static final class ClaimAnswer extends Exception {
        ClaimAnswer(String name) {
            super("layer " + name + " is claimed", null, false, false);
        }
    }

    private <T> void answer(Operation operation, StreamObserver<T> reply, Call<T> call) {
        answerAll(operation, reply, () -> List.of(call.run()));
    }

    private <T> void answerAll(Operation operation, StreamObserver<T> reply, Call<List<T>> call) {
        long began = System.nanoTime();
        var result = Result.INTERNAL;
        try {
            var responses = call.run();
            result = Result.OK;
            responses.forEach(reply::onNext);
            reply.onCompleted();
        } catch (ClaimAnswer claim) {
            result = Result.CLAIMED;
            reply.onError(refusal(Status.ALREADY_EXISTS, claim));
        } catch (AgentException e) {
            result = result(e);
            var status = status(result);
            if (status.getCode() == Status.Code.INTERNAL || status.getCode() == Status.Code.UNAVAILABLE) {
                LOG.warn("{}: {}", operation.label(), e.getMessage(), e);
            } else {
                LOG.debug("{}: {}", operation.label(), e.getMessage());
            }
            reply.onError(refusal(status, e));
        } catch (RuntimeException e) {
            LOG.error("{}: {}", operation.label(), e.getMessage(), e);
            reply.onError(refusal(Status.INTERNAL, e));
        } finally {
            metrics.ended(operation, result, Duration.ofNanos(System.nanoTime() - began));
        }
    }

    private static Throwable refusal(Status status, Exception e) {
        var message = e.getMessage();
        return status.withDescription(message == null ? e.toString() : message).asRuntimeException();
    }

    private static Result result(AgentException e) {
        return switch (e) {
            case AgentException.SnapshotRefused refused ->
                switch (refused.refusal()) {
                    case NOT_FOUND -> Result.NOT_FOUND;
                    case ALREADY_EXISTS -> Result.ALREADY_EXISTS;
                    case FAILED_PRECONDITION -> Result.FAILED_PRECONDITION;
                    case INVALID_ARGUMENT -> Result.INVALID_ARGUMENT;
                };
            case AgentException.StorageFailed storage -> storage.isFull() ? Result.RESOURCE_EXHAUSTED : Result.INTERNAL;
            case AgentException.MountFailed mount -> Result.UNAVAILABLE;
            case AgentException.ReadFailed read -> Result.UNAVAILABLE;
            case AgentException.UnknownImage unknown -> Result.FAILED_PRECONDITION;
            case AgentException.Misconfigured misconfigured -> Result.FAILED_PRECONDITION;
        };
    }

    private static Status status(Result result) {
        return switch (result) {
            case OK -> Status.OK;
            case CLAIMED, ALREADY_EXISTS -> Status.ALREADY_EXISTS;
            case NOT_FOUND -> Status.NOT_FOUND;
            case FAILED_PRECONDITION -> Status.FAILED_PRECONDITION;
            case INVALID_ARGUMENT -> Status.INVALID_ARGUMENT;
            case RESOURCE_EXHAUSTED -> Status.RESOURCE_EXHAUSTED;
            case UNAVAILABLE -> Status.UNAVAILABLE;
            case INTERNAL -> Status.INTERNAL;
        };
    }

    // --- values on the wire

    private static List<dev.thaw.agent.containerd.types.Mount> wire(List<Mount> mounts) {
        return mounts.stream()
                .map(mount -> dev.thaw.agent.containerd.types.Mount.newBuilder()
                        .setType(mount.type())
                        .setSource(mount.source())
                        .addAllOptions(mount.options())
                        .build())
                .toList();
    }

    private static Info wire(Snapshot snapshot) {
        return Info.newBuilder()
                .setName(snapshot.name())
                .setParent(snapshot.parent())
                .setKind(wire(snapshot.kind()))
                .setCreatedAt(wire(snapshot.created()))
                .setUpdatedAt(wire(snapshot.updated()))
                .putAllLabels(snapshot.labels())
                .build();
    }

    private static dev.thaw.agent.containerd.snapshots.Kind wire(Kind kind) {
        return switch (kind) {
            case VIEW -> dev.thaw.agent.containerd.snapshots.Kind.VIEW;
            case ACTIVE -> dev.thaw.agent.containerd.snapshots.Kind.ACTIVE;
            case COMMITTED -> dev.thaw.agent.containerd.snapshots.Kind.COMMITTED;
        };
    }

    private static Timestamp wire(Instant instant) {
        return Timestamp.newBuilder()
                .setSeconds(instant.getEpochSecond())
                .setNanos(instant.getNano())
                .build();
    }
}
