package dev.thaw.agent.image;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.thaw.agent.files.Folders;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Document;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.Reference;
import dev.thaw.rafs.BlobInfo;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.DigestInputStream;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What of an image is on disk, so that it can be served again with neither operator nor registry: a directory named by the
 * artifact's digest that appears when it is complete.
 * <pre>
 * image.json       the entry of the table, the number of layers, and the sha256 of the bootstrap
 * manifest.json    the artifact manifest, byte for byte
 * image.boot       the bootstrap
 * ID.spans         for each layer that is read in place: where in it chunks lie, see {@link SpanFile}
 * </pre>
 */
record StoredImage(ImageEntry entry, int layers, Path directory) {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final String FORM_FILE = "image.json";
    private static final String MANIFEST_FILE = "manifest.json";
    private static final String BOOTSTRAP_FILE = "image.boot";
    private static final String SPANS_SUFFIX = ".spans";
    private static final String UNFINISHED = ".new";

    /** {@code image.json}. */
    private record Form(
            String artifact,
            String repository,
            boolean plainHttp,
            BackgroundFetch backgroundFetch,
            @Nullable PrefetchPolicy prefetchPolicy,
            List<String> prefetchPaths,
            @Nullable String namespace,
            @Nullable String name,
            @Nullable String lazy,
            @Nullable String source,
            int layers,
            String bootstrap,
            @Nullable Map<String, String> spans) {}

    /** The artifact whose directory, and mount, has that name; nothing for any other name. */
    static Optional<Digest> artifact(String name) {
        for (var algorithm : List.of("sha256", "sha512")) {
            try {
                return Optional.of(new Digest(algorithm, name));
            } catch (IllegalArgumentException e) {
                continue;
            }
        }
        return Optional.empty();
    }

    ImageManifest manifest() throws IOException {
        if (Document.parse(Files.readAllBytes(directory.resolve(MANIFEST_FILE)), null)
                instanceof ImageManifest manifest) {
            return manifest;
        }
        throw new IOException(directory.resolve(MANIFEST_FILE) + " is no image manifest");
    }

    Path bootstrap() {
        return directory.resolve(BOOTSTRAP_FILE);
    }

    Path spans(BlobInfo layer) {
        return spans(bootstrap(), layer);
    }

    /** Where a layer's spans are, beside the bootstrap. */
    static Path spans(Path bootstrap, BlobInfo layer) {
        return bootstrap.resolveSibling(layer.tableId() + SPANS_SUFFIX);
    }

    /**
     * Writes a directory in one step. Nobody waits for the disk: {@link #persist} does. What a power failure leaves of it before
     * that is not what its digests say, so {@link #read} refuses it.
     */
    static StoredImage write(Path images, ImageEntry entry, int layers, byte[] manifest, BootstrapSource bootstrap)
            throws IOException {
        var directory = images.resolve(entry.artifact().hex());
        var unfinished = images.resolve(entry.artifact().hex() + UNFINISHED);
        Files.createDirectories(images);
        Folders.delete(unfinished);
        Files.createDirectory(unfinished);
        try {
            bootstrap.writeTo(unfinished.resolve(BOOTSTRAP_FILE));
            Files.write(unfinished.resolve(MANIFEST_FILE), manifest);
            Files.write(
                    unfinished.resolve(FORM_FILE),
                    JSON.writeValueAsBytes(form(
                            entry,
                            layers,
                            digest(unfinished.resolve(BOOTSTRAP_FILE), entry.artifact()),
                            spanDigests(unfinished, entry.artifact()))));
            Folders.delete(directory);
            Files.move(unfinished, directory, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            Folders.delete(unfinished);
            throw e;
        }
        return new StoredImage(entry, layers, directory);
    }

    /** Returns when all of it is on disk. */
    void persist() throws IOException {
        try (var files = Files.newDirectoryStream(directory)) {
            for (var file : files) {
                sync(file);
            }
        }
        sync(directory);
        sync(directory.resolveSibling("."));
    }

    private static Map<String, String> spanDigests(Path directory, Digest artifact) throws IOException {
        var digests = new TreeMap<String, String>();
        try (var files = Files.newDirectoryStream(directory, "*" + SPANS_SUFFIX)) {
            for (var file : files) {
                digests.put(
                        file.getFileName().toString(), digest(file, artifact).toString());
            }
        }
        return digests;
    }

    /** Writes a bootstrap to a file that does not exist, and what belongs to it beside it. */
    @FunctionalInterface
    interface BootstrapSource {
        void writeTo(Path file) throws IOException;
    }

    static Optional<StoredImage> read(Path images, Digest artifact) throws IOException {
        var directory = images.resolve(artifact.hex());
        var file = directory.resolve(FORM_FILE);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            var form = JSON.readValue(Files.readAllBytes(file), Form.class);
            var entry = new ImageEntry(
                    Digest.parse(form.artifact),
                    Reference.parseRepository(form.repository),
                    form.plainHttp,
                    form.backgroundFetch,
                    Objects.requireNonNullElse(form.prefetchPolicy, PrefetchPolicy.PATHS),
                    form.prefetchPaths,
                    Optional.ofNullable(form.namespace),
                    Optional.ofNullable(form.name),
                    Optional.ofNullable(form.lazy).map(Digest::parse),
                    Optional.ofNullable(form.source).map(Digest::parse));
            var manifest = Files.readAllBytes(directory.resolve(MANIFEST_FILE));
            if (!entry.artifact().equals(artifact) || !artifact.matches(manifest)) {
                throw new IOException(directory + " does not hold what its name says");
            }
            if (!digest(directory.resolve(BOOTSTRAP_FILE), artifact).toString().equals(form.bootstrap)) {
                throw new IOException(directory.resolve(BOOTSTRAP_FILE) + " is damaged");
            }
            var spans = form.spans == null ? Map.<String, String>of() : form.spans;
            if (!spanDigests(directory, artifact).equals(spans)) {
                throw new IOException("what says where chunks lie in layers is damaged in " + directory);
            }
            return Optional.of(new StoredImage(entry, form.layers, directory));
        } catch (JacksonException | IllegalArgumentException e) {
            throw new IOException("%s is damaged: %s".formatted(file, e.getMessage()), e);
        }
    }

    private static Form form(ImageEntry entry, int layers, Digest bootstrap, Map<String, String> spans) {
        return new Form(
                entry.artifact().toString(),
                entry.repository().name(),
                entry.plainHttp(),
                entry.backgroundFetch(),
                entry.prefetchPolicy(),
                entry.prefetchPaths(),
                entry.namespace().orElse(null),
                entry.name().orElse(null),
                entry.lazy().map(Digest::toString).orElse(null),
                entry.source().map(Digest::toString).orElse(null),
                layers,
                bootstrap.toString(),
                spans);
    }

    /** Of a file, by the algorithm that the artifact's own digest has. */
    private static Digest digest(Path file, Digest artifact) throws IOException {
        var hasher = artifact.hasher();
        try (var in = new DigestInputStream(Files.newInputStream(file), hasher)) {
            in.transferTo(OutputStream.nullOutputStream());
        }
        return Digest.of(artifact.algorithm(), hasher);
    }

    private static void sync(Path path) throws IOException {
        try (var channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }
}
