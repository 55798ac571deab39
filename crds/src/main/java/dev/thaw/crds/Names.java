package dev.thaw.crds;

/** Every name that Thaw writes into a cluster or reads from it. */
public final class Names {
    /** API group of the custom resources. */
    public static final String GROUP = "thaw.dev";

    /** API version of the custom resources. */
    public static final String VERSION = "v1alpha1";

    /** Category: {@code kubectl get thaw} lists everything. */
    public static final String CATEGORY = "thaw";

    /** Finalizer of a {@link LazyImage}: what was published is removed before the object goes. */
    public static final String LAZY_IMAGE_FINALIZER = "thaw.dev/published-image";

    /** Finalizer of a {@link SnapshotterConfig}: containerd's configuration is given back before the object goes. */
    public static final String SNAPSHOTTER_CONFIG_FINALIZER = "thaw.dev/node-configuration";

    /** Pod annotation: {@code "true"} asks for lazy images. */
    public static final String LAZY = "thaw.dev/lazy";

    /** Pod annotation, followed by a container's name: the LazyImage which that container uses. */
    public static final String LAZY_IMAGE_PREFIX = "thaw.dev/lazy-image.";

    /** Pod annotation: {@code "true"} holds the pod until the conversion is ready. */
    public static final String WAIT = "thaw.dev/wait";

    /** Name of the scheduling gate that holds a waiting pod. */
    public static final String WAIT_GATE = "thaw.dev/wait";

    /** Pod annotation, written by the webhook, followed by a container's name: the image that the user wrote. */
    public static final String ORIGINAL_IMAGE_PREFIX = "thaw.dev/original-image.";

    /** Pod annotation that containerd reads when it chooses the snapshotter of a pull. */
    public static final String RUNTIME_HANDLER = "io.containerd.cri.runtime-handler";

    /**
     * Namespace label: {@code "true"} lets an annotated pod whose image has no LazyImage make one; {@code "false"}
     * forbids it where the operator's default is to allow it.
     */
    public static final String AUTO_CREATE = "thaw.dev/auto-create";

    /** Node label: the value {@link #AGENT_READY} says that lazy pods may be scheduled there. */
    public static final String AGENT = "thaw.dev/agent";

    /** Node label: the SnapshotterConfig whose agent belongs there. It stays there until the label goes. */
    public static final String AGENT_OF = "thaw.dev/agent-of";

    /** Node label: the SnapshotterConfig whose agent has changed containerd's configuration there. */
    public static final String INSTALLED = "thaw.dev/installed";

    /** Annotation of a SnapshotterConfig: {@code "true"} takes agents away also from under running lazy containers. */
    public static final String FORCE_REMOVAL = "thaw.dev/force-removal";

    /** Value of the node label {@link #AGENT}. */
    public static final String AGENT_READY = "ready";

    /** What is appended to a runtime handler's name to make its lazy twin's. */
    public static final String LAZY_SUFFIX = "-lazy";

    /** What is appended to the source's tag when no target tag is named. */
    public static final String TAG_SUFFIX = "-thaw";

    /** Label of what the operator makes for a LazyImage: the LazyImage's name. */
    public static final String LAZY_IMAGE_LABEL = "thaw.dev/lazy-image";

    /** Label of what the operator makes for a SnapshotterConfig: the SnapshotterConfig's name. */
    public static final String SNAPSHOTTER_CONFIG_LABEL = "thaw.dev/snapshotter-config";

    /** Label which every object that the operator makes carries. */
    public static final String MANAGED_BY_LABEL = "app.kubernetes.io/managed-by";

    /** Value of {@link #MANAGED_BY_LABEL}. */
    public static final String MANAGED_BY = "thaw";

    /** Label of the operator's workloads: which part of Thaw a pod is. */
    public static final String COMPONENT_LABEL = "app.kubernetes.io/component";

    /** Values of {@link #COMPONENT_LABEL}. */
    public static final String OPERATOR_COMPONENT = "operator";

    /** The node agent's value of {@link #COMPONENT_LABEL}. */
    public static final String AGENT_COMPONENT = "node-agent";

    /** The conversion Job's value of {@link #COMPONENT_LABEL}. */
    public static final String CONVERTER_COMPONENT = "converter";

    /** The value of {@link #COMPONENT_LABEL} of what was learned of an image's starts. */
    public static final String TRACE_COMPONENT = "trace";

    /** Annotation of what was learned of an image's starts: digest of the artifact manifest. */
    public static final String ARTIFACT_ANNOTATION = "thaw.dev/artifact";

    /** Annotation and snapshot label of a lazy image's layers: digest of the artifact manifest. */
    public static final String LAYER_IMAGE = "containerd.io/snapshot/thaw.dev.image";

    /** Label in a lazy image's configuration: digest of the source manifest. */
    public static final String SOURCE_LABEL = "thaw.dev/source";

    private Names() {}
}
