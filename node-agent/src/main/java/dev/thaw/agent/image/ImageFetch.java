package dev.thaw.agent.image;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.RegistryClient;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapChecker;
import dev.thaw.rafs.CorruptImageException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Brings what an image needs to be mounted from its registry: artifact manifest and bootstrap. Both are checked whole. The artifact
 * is ours, or an image that nydus' own tools published: those have the bootstrap in their last layer too, and often no artifact type.
 */
final class ImageFetch {
    private static final String ARTIFACT_TYPE = "application/vnd.nydus.image.manifest.v1+json";
    private static final String BOOTSTRAP_ANNOTATION = "containerd.io/snapshot/nydus-bootstrap";
    private static final String LAYERS_ANNOTATION = "thaw.dev/layers";
    /** Blobs that no layer lists, JSON arrays of hex ids: of a chunk dictionary, or of all layers with older tools. */
    private static final List<String> BLOB_ANNOTATIONS =
            List.of("containerd.io/snapshot/nydus-reference-blob-ids", "containerd.io/snapshot/nydus-blob-ids");

    private static final int LAYERS_AT_ONCE = 8;
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final Duration LONGEST_CHECK = Duration.ofSeconds(60);

    private ImageFetch() {}

    static StoredImage fetch(Path images, ImageEntry entry, RegistryClient client)
            throws IOException, CorruptImageException {
        var reference = entry.repository().withDigest(entry.artifact());
        if (!(client.manifest(reference) instanceof ImageManifest manifest) || !isLazy(manifest)) {
            throw new IOException(reference + " is no manifest of a lazy image");
        }
        var layer = bootstrapLayer(manifest);
        return StoredImage.write(images, entry, layers(manifest), manifest.bytes(), file -> {
            try (var content = client.blob(entry.repository(), layer)) {
                BootstrapLayer.extract(content, file);
            }
            check(file, manifest);
            fetchSpans(file, entry, client);
        });
    }

    private static boolean isLazy(ImageManifest manifest) {
        return ARTIFACT_TYPE.equals(manifest.artifactType())
                || !manifest.layers().isEmpty()
                        && manifest.layers().getLast().annotations().containsKey(BOOTSTRAP_ANNOTATION);
    }

    /** Brings what says where in untouched layers chunks lie, beside the bootstrap: of several at once, since each is a round trip. */
    private static void fetchSpans(Path file, ImageEntry entry, RegistryClient client) throws IOException {
        try (var bootstrap = Bootstrap.open(file);
                var threads = Executors.newFixedThreadPool(
                        LAYERS_AT_ONCE, Thread.ofVirtual().name("spans").factory())) {
            var fetches = new ArrayList<Future<Path>>();
            for (var blob : bootstrap.blobs()) {
                if (blob.hasSpans()) {
                    var spans = StoredImage.spans(file, blob);
                    fetches.add(threads.submit(() -> {
                        SpanFile.fetch(spans, blob, entry.repository(), client);
                        return spans;
                    }));
                }
            }
            try {
                for (var fetch : fetches) {
                    fetch.get();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("fetching the chunk tables of " + entry.artifact() + " was interrupted", e);
            } catch (ExecutionException e) {
                if (e.getCause() instanceof IOException cause) {
                    throw cause;
                }
                var cause = e.getCause() == null ? e : e.getCause();
                throw new IOException("the image is refused: " + cause.getMessage(), cause);
            } finally {
                threads.shutdownNow();
            }
        } catch (CorruptImageException e) {
            throw new IOException("the image is refused: " + e.getMessage(), e);
        }
    }

    private static Descriptor bootstrapLayer(ImageManifest manifest) throws IOException {
        if (manifest.layers().isEmpty()) {
            throw new IOException("artifact " + manifest.digest() + " has no layers");
        }
        var last = manifest.layers().getLast();
        if (!"true".equals(last.annotations().get(BOOTSTRAP_ANNOTATION))) {
            throw new IOException("the last layer of artifact " + manifest.digest() + " is no bootstrap");
        }
        return last;
    }

    /**
     * Layers of the lazy manifest: those of the source, and the marker before them. An image of nydus' own tools has no lazy
     * manifest beside it and is pulled itself.
     */
    private static int layers(ImageManifest manifest) throws IOException {
        var text = manifest.annotations().get(LAYERS_ANNOTATION);
        if (text == null) {
            return manifest.layers().size();
        }
        try {
            return Integer.parseInt(text) + 1;
        } catch (NumberFormatException e) {
            throw new IOException(
                    "artifact %s says '%s' in its annotation %s, which is no number"
                            .formatted(manifest.digest(), text, LAYERS_ANNOTATION),
                    e);
        }
    }

    /** Ids of all blobs that the manifest names. */
    private static Set<String> blobs(ImageManifest manifest) throws IOException {
        var named = new HashSet<String>();
        manifest.layers().forEach(layer -> named.add(layer.digest().hex()));
        for (var annotation : BLOB_ANNOTATIONS) {
            var list = manifest.layers().getLast().annotations().get(annotation);
            if (list != null) {
                try {
                    JSON.readTree(list).forEach(id -> named.add(id.asText()));
                } catch (JacksonException e) {
                    throw new IOException(
                            "annotation %s of artifact %s is no list of blobs".formatted(annotation, manifest.digest()),
                            e);
                }
            }
        }
        return named;
    }

    /** Walks the whole bootstrap before the kernel sees any of it, for no longer than is reasonable. */
    private static void check(Path file, ImageManifest manifest) throws IOException {
        var task = new FutureTask<>(() -> {
            try (var bootstrap = Bootstrap.open(file)) {
                BootstrapChecker.check(bootstrap);
                var named = blobs(manifest);
                for (var blob : bootstrap.blobs()) {
                    var id = blob.isLayer() ? blob.tableId() : blob.id();
                    if (!named.contains(id)) {
                        throw new CorruptImageException(
                                bootstrap.name(), -1, "blob " + id + " is no layer of its manifest");
                    }
                }
            }
            return file;
        });
        var thread = Thread.ofVirtual().name("bootstrap-check").start(task);
        try {
            task.get(LONGEST_CHECK.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            thread.interrupt();
            Thread.currentThread().interrupt();
            throw new IOException("the check of " + file + " was interrupted", e);
        } catch (TimeoutException e) {
            thread.interrupt();
            throw new IOException("the check of %s took more than %s".formatted(file, LONGEST_CHECK), e);
        } catch (ExecutionException e) {
            var cause = e.getCause();
            throw new IOException("the bootstrap is refused: " + (cause == null ? e : cause).getMessage(), e);
        }
    }
}
