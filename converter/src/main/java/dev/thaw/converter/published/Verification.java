package dev.thaw.converter.published;

import dev.thaw.converter.layer.LayerReader;
import dev.thaw.converter.layer.LayerStream;
import dev.thaw.converter.publish.LazyDocuments;
import dev.thaw.converter.publish.LazyNames;
import dev.thaw.converter.publish.Marker;
import dev.thaw.converter.published.LazyImage.Entry;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.report.Progress;
import dev.thaw.converter.report.StopSignal;
import dev.thaw.converter.source.SourcePlatform;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.MediaTypes;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapChecker;
import dev.thaw.rafs.ChunkTable;
import dev.thaw.rafs.CorruptImageException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Compares a published lazy image with its source. Everything is read anew: the source's layers from its registry, the lazy image
 * from the target's, so that what is compared is what a node will get. Nothing of the conversion is used.
 *
 * <ol>
 *   <li>The lazy manifest is the source's, with the marker below and annotations and label as they should be.
 *   <li>The bootstrap passes {@link BootstrapChecker}.
 *   <li>Every chunk of every blob is fetched, decoded and digested.
 *   <li>Beside that the source's layers are read; they are applied to a tree in memory, and every file of it compared.
 * </ol>
 *
 * <p>Memory: 200 bytes and the name for each file, 33 bytes for each chunk, fixed buffers for each worker. Disk: the bootstrap.
 */
public final class Verification {
    private final Repository source;
    private final Repository target;
    private final Path workDirectory;
    private final int workers;
    private final Progress progress;
    private final StopSignal stop;

    public Verification(
            Repository source, Repository target, Path workDirectory, int workers, Progress progress, StopSignal stop) {
        this.source = source;
        this.target = target;
        this.workDirectory = workDirectory;
        this.workers = workers;
        this.progress = progress;
        this.stop = stop;
    }

    /** Bytes that verifying will read, roughly: for progress. */
    public static long bytesToRead(SourcePlatform platform, Entry entry) {
        return platform.layerBytes()
                + entry.blobs().stream().mapToLong(Descriptor::sizeBytes).sum();
    }

    /**
     * Verifies one platform.
     *
     * @return number of names that were compared
     * @throws ConversionException with {@link FailureReason#VerificationFailed} if there is a difference; the message names the
     *     first places
     */
    public long verify(SourcePlatform platform, Entry entry) throws IOException {
        var where = "the lazy image for " + platform.platform();
        verifyDocuments(platform, entry, where);
        var file = workDirectory.resolve("verify-" + entry.artifact().digest().hex() + ".boot");
        try {
            BootstrapLayer.fetch(target, entry.bootstrapLayer(), file);
            try (var bootstrap = Bootstrap.open(file)) {
                BootstrapChecker.check(bootstrap);
                var blobs = new ArrayList<BlobContents>();
                var tree = new SourceTree();
                var work = new ArrayList<Parallel.Task<Read>>(blobReads(bootstrap, entry));
                work.addAll(layerReads(platform, bootstrap.chunkSizeBytes()));
                for (var read : Parallel.run(workers, work)) {
                    switch (read) {
                        case Read.Blob(var contents) -> blobs.add(contents);
                        case Read.Layer(var layer) -> tree.apply(layer);
                    }
                }
                var differences = new Differences();
                var entries = new TreeComparison(bootstrap, blobs, differences).compare(tree);
                differences.throwIfAny(where);
                return entries;
            }
        } catch (CorruptImageException e) {
            throw new ConversionException(
                    FailureReason.VerificationFailed, where + " cannot be read: " + e.getMessage(), e);
        } finally {
            Files.deleteIfExists(file);
        }
    }

    private void verifyDocuments(SourcePlatform platform, Entry entry, String where) throws IOException {
        var artifact = entry.artifact();
        require(
                entry.source().filter(platform.manifest().digest()::equals).isPresent(),
                where + " names another source than " + platform.manifest().digest());
        var lazy = entry.lazy();
        if (lazy == null) {
            throw failed(where + " has no manifest that ordinary clients could run");
        }
        var marker = Marker.of(artifact.digest());
        var config = LazyDocuments.lazyConfig(platform, marker);
        var expected = LazyDocuments.lazyManifest(platform, configDescriptor(config), marker, artifact.digest());
        require(
                Arrays.equals(expected.bytes(), lazy.bytes()),
                where + " has the manifest " + lazy.digest() + ", that of its source would be " + expected.digest());
        require(
                Arrays.equals(target.small(lazy.config(), config.length), config),
                where + " has another configuration than its source");
        require(
                Arrays.equals(target.small(lazy.layers().getFirst(), marker.gzip().length), marker.gzip()),
                where + " has a wrong marker layer");
        for (var layer : lazy.layers()) {
            require(target.hasBlob(layer.digest()), where + " lacks the layer " + layer.digest());
        }
        require(
                entry.bootstrapLayer().annotations().containsKey(LazyNames.NYDUS_BOOTSTRAP_ANNOTATION),
                where + " has an artifact whose last layer is no bootstrap");
    }

    private static Descriptor configDescriptor(byte[] config) {
        return Descriptor.of(MediaTypes.OCI_CONFIG, config);
    }

    /** One half of what is compared, or a piece of it: blobs and layers are read side by side. */
    private sealed interface Read {
        record Blob(BlobContents contents) implements Read {}

        record Layer(SourceTree.Layer layer) implements Read {}
    }

    private List<Parallel.Task<Read>> blobReads(Bootstrap bootstrap, Entry entry) throws IOException {
        var tasks = new ArrayList<Parallel.Task<Read>>();
        for (var blob : bootstrap.blobs()) {
            var listed = entry.blobs().stream()
                    .filter(descriptor -> descriptor.digest().hex().equals(blob.isLayer() ? blob.tableId() : blob.id()))
                    .findFirst()
                    .orElseThrow(() ->
                            failed("the bootstrap uses blob " + blob.id() + ", which its artifact does not list"));
            tasks.add(() -> {
                var table = ChunkTable.fromBootstrap(bootstrap, blob.index());
                return new Read.Blob(BlobContents.read(target, table, listed.sizeBytes(), progress, stop));
            });
        }
        return tasks;
    }

    private List<Parallel.Task<Read>> layerReads(SourcePlatform platform, int pieceBytes) {
        var tasks = new ArrayList<Parallel.Task<Read>>();
        for (var i = 0; i < platform.layers().size(); i++) {
            var layer = platform.layers().get(i);
            var promise = platform.promise(i);
            tasks.add(() -> {
                try (var stream = new LayerStream(new Observed(source.unchecked(layer)), promise)) {
                    try {
                        var read = SourceTree.Layer.read(new LayerReader(stream.content()), pieceBytes, stop);
                        stream.finish();
                        return new Read.Layer(read);
                    } catch (IOException e) {
                        throw stream.explain(e);
                    }
                }
            });
        }
        return tasks;
    }

    private static void require(boolean condition, String otherwise) throws ConversionException {
        if (!condition) {
            throw failed(otherwise);
        }
    }

    private static ConversionException failed(String message) {
        return new ConversionException(FailureReason.VerificationFailed, message);
    }

    private final class Observed extends FilterInputStream {
        Observed(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            var b = in.read();
            progress.advance(b < 0 ? 0 : 1);
            return b;
        }

        @Override
        public int read(byte[] into, int from, int length) throws IOException {
            stop.check();
            var count = in.read(into, from, length);
            progress.advance(Math.max(0, count));
            return count;
        }
    }
}
