package dev.thaw.agent.snapshot;

import dev.thaw.oci.Digest;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/**
 * One record. Names are containerd's and opaque here ({@code <namespace>/<number>/<key>}, or the bare chain id of a claim).
 *
 * @param id name of its directory; never used twice
 * @param parent name of the parent; empty for none
 * @param claim the lazy image that it is a layer of, if it was claimed; such a snapshot has no directory
 */
public record Snapshot(
        long id,
        String name,
        String parent,
        Kind kind,
        Map<String, String> labels,
        Instant created,
        Instant updated,
        Optional<Claim> claim) {
    public Snapshot {
        labels = Map.copyOf(labels);
    }

    Snapshot with(Map<String, String> otherLabels) {
        return new Snapshot(id, name, parent, kind, otherLabels, created, updated, claim);
    }

    /**
     * A layer of a lazy image.
     *
     * @param depth which layer, the lowest being 1
     */
    public record Claim(Digest image, int depth) {}
}
