package dev.thaw.converter.publish;

/** Annotations, labels and media types of lazy images. */
public final class LazyNames {
    /** On each layer descriptor of a lazy manifest: the digest of the artifact manifest. containerd makes it a snapshot label. */
    public static final String IMAGE_ANNOTATION = "containerd.io/snapshot/thaw.dev.image";

    /** In the lazy image's configuration: the digest of the source manifest. */
    public static final String SOURCE_LABEL = "thaw.dev/source";

    /** On the artifact manifest: {@code Convert} or {@code Index}. */
    public static final String MODE_ANNOTATION = "thaw.dev/mode";
    /** On the artifact manifest: number of the source's layers. */
    public static final String LAYERS_ANNOTATION = "thaw.dev/layers";
    /** On the artifact manifest: version of these conventions. */
    public static final String FORMAT_ANNOTATION = "thaw.dev/format";

    /** On the artifact manifest: the artifact whose blobs hold chunks of this image too. */
    public static final String DICTIONARY_ANNOTATION = "thaw.dev/chunk-dict";

    public static final String FORMAT = "1";

    /** In the marker layer's pax header: the digest of the artifact manifest. */
    public static final String MARKER_RECORD = "thaw.dev.conversion";

    /** On layer records: the options that the blob was made with. */
    public static final String OPTIONS_ANNOTATION = "thaw.dev/options";

    public static final String LAYER_RECORD = "application/vnd.thaw.layer.v1+json";
    public static final String NYDUS_MANIFEST = "application/vnd.nydus.image.manifest.v1+json";
    public static final String NYDUS_CONFIG = "application/vnd.nydus.image.config.v1+json";
    public static final String NYDUS_BLOB = "application/vnd.oci.image.layer.nydus.blob.v1";
    public static final String NYDUS_BLOB_ANNOTATION = "containerd.io/snapshot/nydus-blob";
    /** On a blob that describes an untouched layer: the layer's digest. */
    public static final String NYDUS_REFERENCE_ANNOTATION = "containerd.io/snapshot/nydus-ref";

    public static final String NYDUS_BOOTSTRAP_ANNOTATION = "containerd.io/snapshot/nydus-bootstrap";
    public static final String NYDUS_VERSION_ANNOTATION = "containerd.io/snapshot/nydus-fs-version";

    /** Path of the bootstrap in the bootstrap layer's tar. */
    public static final String BOOTSTRAP_PATH = "image/image.boot";

    private LazyNames() {}
}
