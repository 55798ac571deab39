package dev.thaw.agent.snapshot;

import dev.thaw.agent.AgentException.Refusal;
import dev.thaw.agent.AgentException.SnapshotRefused;

/** The refusals that containerd knows how to act on. */
final class Refused {
    private Refused() {}

    static SnapshotRefused notFound(String name) {
        return new SnapshotRefused(Refusal.NOT_FOUND, "snapshot " + name + " does not exist");
    }

    static SnapshotRefused exists(String name) {
        return new SnapshotRefused(Refusal.ALREADY_EXISTS, "snapshot " + name + " exists");
    }

    static SnapshotRefused precondition(String message) {
        return new SnapshotRefused(Refusal.FAILED_PRECONDITION, message);
    }

    static SnapshotRefused invalid(String message) {
        return new SnapshotRefused(Refusal.INVALID_ARGUMENT, message);
    }
}
