package dev.thaw.operator.node;

import java.util.List;
import java.util.Optional;

/** The cluster's pods, as far as node agents' calls depend on them. */
interface PodsOfNode {
    /** The pod of that name, if it is known. */
    Optional<WatchedPod> named(String namespace, String name);

    /** The pods bound to a node, as far as the watch has told. */
    List<WatchedPod> on(String node);

    /** The pods of a namespace that are bound to a node, asked of the API server now: the watch may be a moment behind. */
    List<WatchedPod> askedFor(String namespace, String node);
}
