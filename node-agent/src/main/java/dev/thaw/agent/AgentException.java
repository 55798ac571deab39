package dev.thaw.agent;

import dev.thaw.oci.Digest;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What goes wrong in the agent and is worth telling apart. Mapped to an errno at the FUSE border, to a gRPC status at the
 * snapshotter's, to an exit code in {@code main}. A message says what was tried, on what, what came back and what to do.
 */
public abstract sealed class AgentException extends Exception {
    private AgentException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    /** Neither NodeService nor the configuration knows an image of that artifact, or its bootstrap is not on this node. */
    public static final class UnknownImage extends AgentException {
        public UnknownImage(Digest artifact, String message) {
            super("image " + artifact + ": " + message, null);
        }
    }

    /** A mount, an unmount or the driver below it failed. */
    public static final class MountFailed extends AgentException {
        public MountFailed(Path mountPoint, String message, @Nullable Throwable cause) {
            super(mountPoint + ": " + message, cause);
        }
    }

    /** Bytes of an image could not be had from any source, within the time that the configuration allows. */
    public static final class ReadFailed extends AgentException {
        public ReadFailed(String what, String message, @Nullable Throwable cause) {
            super(what + ": " + message, cause);
        }
    }

    /** The node's disk refused: full, read-only, or failing. */
    public static final class StorageFailed extends AgentException {
        private final boolean full;

        /** @param full whether the disk is full (ENOSPC, EDQUOT), which passes when space is made */
        public StorageFailed(Path path, String message, boolean full, @Nullable Throwable cause) {
            super(path + ": " + message, cause);
            this.full = full;
        }

        /** Whether the disk is full, which passes when space is made. */
        public boolean isFull() {
            return full;
        }
    }

    /** The configuration, the node or the containerd on it cannot work as they are set up. */
    public static final class Misconfigured extends AgentException {
        public Misconfigured(String message) {
            super(message, null);
        }

        public Misconfigured(String message, @Nullable Throwable cause) {
            super(message, cause);
        }
    }

    /** The snapshotter's contract forbids what was asked; containerd acts on the reason. */
    public static final class SnapshotRefused extends AgentException {
        private final Refusal refusal;

        public SnapshotRefused(Refusal refusal, String message) {
            super(message, null);
            this.refusal = refusal;
        }

        public Refusal refusal() {
            return refusal;
        }
    }

    /** Why a snapshot call is refused; each is one gRPC status code. */
    public enum Refusal {
        NOT_FOUND,
        ALREADY_EXISTS,
        FAILED_PRECONDITION,
        INVALID_ARGUMENT
    }
}
