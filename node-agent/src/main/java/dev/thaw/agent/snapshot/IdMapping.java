package dev.thaw.agent.snapshot;

import dev.thaw.agent.AgentException.SnapshotRefused;
import java.util.Map;
import java.util.Optional;

/**
 * Which ids of the node stand for root in a user namespace. containerd's labels hold lists of
 * {@code <id inside>:<id on the node>:<length>}, separated by commas.
 */
final class IdMapping {
    private IdMapping() {}

    /**
     * The owner that root has on the node; empty without mapping.
     *
     * @throws SnapshotRefused invalid argument, if a mapping cannot be read or does not map root
     */
    static Optional<SnapshotDirectories.Owner> root(Map<String, String> labels) throws SnapshotRefused {
        var uids = labels.get(RootShape.UID_MAPPING);
        var gids = labels.get(RootShape.GID_MAPPING);
        if (uids == null && gids == null) {
            return Optional.empty();
        }
        return Optional.of(new SnapshotDirectories.Owner(
                root(RootShape.UID_MAPPING, uids == null ? "" : uids),
                root(RootShape.GID_MAPPING, gids == null ? "" : gids)));
    }

    private static int root(String label, String mapping) throws SnapshotRefused {
        for (var range : mapping.split(",", -1)) {
            var numbers = range.split(":", -1);
            try {
                if (numbers.length == 3
                        && Integer.parseUnsignedInt(numbers[0]) == 0
                        && Integer.parseUnsignedInt(numbers[2]) != 0) {
                    return Integer.parseUnsignedInt(numbers[1]);
                }
            } catch (NumberFormatException e) {
                throw Refused.invalid("label " + label + ": '" + range + "' is not inside:outside:length");
            }
        }
        throw Refused.invalid("label " + label + " maps no root: '" + mapping + "'");
    }
}
