package dev.thaw.operator.admission;

import dev.thaw.crds.LazyImage;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClass;
import java.util.List;
import java.util.Optional;

/** What the webhook knows of the cluster, from memory: it never waits for the API server. */
interface ClusterFacts {
    Optional<LazyImage> lazyImage(String namespace, String name);

    List<LazyImage> lazyImages(String namespace);

    Optional<RuntimeClass> runtimeClass(String name);

    /** True if at least one node takes lazy pods. */
    boolean isAgentReady();

    /** True if that node takes lazy pods. */
    boolean isAgentReadyOn(String node);

    /** True if images of that namespace's pods may get a LazyImage unasked. */
    boolean mayMakeImages(String namespace);

    /** Why a LazyImage that a pod asked for lately was not made; empty if it was, or nobody asked. */
    Optional<String> whyNotMade(WantedImage wanted);
}
