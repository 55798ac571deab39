package dev.thaw.converter;

import dev.thaw.converter.ConversionRequest.Mode;
import dev.thaw.converter.layer.LayerStream.Promise;
import dev.thaw.converter.publish.LazyDocuments;
import dev.thaw.converter.publish.LazyDocuments.Pair;
import dev.thaw.converter.publish.LazyNames;
import dev.thaw.converter.publish.Marker;
import dev.thaw.converter.published.BootstrapLayer;
import dev.thaw.converter.published.LazyImage;
import dev.thaw.converter.published.Parallel;
import dev.thaw.converter.published.Verification;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.registry.Traffic;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.ConversionResult;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.report.Phase;
import dev.thaw.converter.report.PlatformResult;
import dev.thaw.converter.report.Progress;
import dev.thaw.converter.report.StopSignal;
import dev.thaw.converter.source.SourceImage;
import dev.thaw.converter.source.SourcePlatform;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.MediaTypes;
import dev.thaw.rafs.BlobInfo;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapMerger;
import dev.thaw.rafs.ChunkTable;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.MergeLayer;
import dev.thaw.rafs.MergedBootstrap;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Makes a lazy image of a source image and publishes it.
 *
 * <ol>
 *   <li>Every layer is streamed once: from the source's registry through decompression, tar and chunks into a blob in the target's
 *       registry, or a small one that only says where in the layer its contents lie. Layers that were converted before are found by
 *       their records and not read again.
 *   <li>The layers' bootstraps are merged; artifact and lazy manifest of each platform are pushed by digest, then the index.
 *   <li>What was pushed is compared with the source.
 *   <li>The tag moves. Whatever fails before leaves the target's tag as it was.
 * </ol>
 *
 * <p>If the comparison fails and layers were not converted because a record said what they had become, all are converted anew, once:
 * such a record can be forged or stale.
 *
 * <p>With a dictionary, another lazy image, layers that are copied store only what that one does not have; the rest is referred to in
 * its blobs, which the artifact then lists too, so that no registry collects them. Layers that are read in place have no use for it.
 *
 * <p>The same source and options give the same digests, whatever the parallelism. If the tag already points to the very index, nothing
 * is pushed.
 *
 * <p><b>Memory</b> does not depend on the sizes of files, layers or images, only on counts. For each of {@code parallel} workers: two
 * upload chunks (8 MiB each), 3 MiB of read-ahead, about four chunks for each processor and zstd's windows; about 40 MiB with chunks of
 * 1 MiB on two processors. On top about 500 bytes for each file of the layers under way, 100 bytes for each chunk, and while verifying
 * 300 bytes for each file of the image. An image of a million files is converted and verified in 1 GiB of heap.
 *
 * <p><b>Disk:</b> the bootstraps of the image's layers, and twice the largest merged one: about 150 bytes and the name for each file, 100
 * bytes for each chunk. No contents. <b>Privileges:</b> none.
 */
public final class Converter {
    /** Chunks of a layer that are read ahead, so that no processor waits while the next one is read or the last one stored. */
    private static final int SPARE_PRESSES = 2;

    private final Repository source;
    private final Repository target;
    private final Traffic traffic;
    private final Progress progress;
    private final StopSignal stop;
    private final ModeChoice.Limits limits;

    public Converter(Repository source, Repository target, Traffic traffic, Progress progress, StopSignal stop) {
        this(source, target, traffic, progress, stop, ModeChoice.Limits.USUAL);
    }

    Converter(
            Repository source,
            Repository target,
            Traffic traffic,
            Progress progress,
            StopSignal stop,
            ModeChoice.Limits limits) {
        this.source = source;
        this.target = target;
        this.traffic = traffic;
        this.progress = progress;
        this.stop = stop;
        this.limits = limits;
    }

    /**
     * Converts, verifies and publishes.
     *
     * @throws ConversionException whatever goes wrong; the target's tag is then as it was before
     */
    public ConversionResult convert(ConversionRequest request) throws ConversionException {
        try {
            Files.createDirectories(request.workDirectory());
            var work = Files.createTempDirectory(request.workDirectory(), "thaw-");
            try {
                return convert(request, work);
            } finally {
                delete(work);
            }
        } catch (IOException | CorruptImageException | RuntimeException e) {
            if (stop.isStopped()) {
                throw stop.stopped();
            }
            throw ConversionException.of(e);
        }
    }

    private ConversionResult convert(ConversionRequest request, Path work) throws IOException, CorruptImageException {
        var began = System.nanoTime();
        var image = SourceImage.resolve(source, request.source(), request.platforms());
        progress.say("Converting " + request.source() + " (" + image.digest() + ") for "
                + String.join(
                        ", ",
                        image.platforms().stream()
                                .map(platform -> platform.platform().toString())
                                .toList()));
        var choice = ModeChoice.of(request.mode(), image, source, limits);
        progress.say("Mode " + choice.mode() + ": " + choice.reason());
        var hasReused = new AtomicBoolean();
        try {
            return convert(request, choice, image, hasReused, work, began);
        } catch (ConversionException | CorruptImageException e) {
            var isDifferent = e instanceof CorruptImageException
                    || e instanceof ConversionException known && known.reason() == FailureReason.VerificationFailed;
            if (!isDifferent || !hasReused.get()) {
                throw e;
            }
            progress.say("Converting every layer anew, for with those that were converted before " + e.getMessage());
            return convert(request.anew(), choice, image, new AtomicBoolean(), work, began);
        }
    }

    /** @param hasReused is set if a layer was not converted because a record said what it became */
    private ConversionResult convert(
            ConversionRequest request,
            ModeChoice choice,
            SourceImage image,
            AtomicBoolean hasReused,
            Path work,
            long began)
            throws IOException, CorruptImageException {
        var convertBegan = System.nanoTime();
        var dictionaries = request.dictionary() == null
                ? Map.<Digest, Dictionary>of()
                : Dictionary.read(
                        source.other(request.dictionary()),
                        request.dictionary(),
                        image.platforms(),
                        request.options(),
                        work);
        var layers = convertLayers(request, choice, image, dictionaries, work);
        hasReused.set(layers.values().stream().anyMatch(ConvertedLayer::isReused));
        var convertTime = Duration.ofNanos(System.nanoTime() - convertBegan);
        var read = layers.values().stream().mapToLong(ConvertedLayer::tarBytes).sum();

        progress.begin(Phase.PUBLISH, 0);
        var platforms = new ArrayList<PublishedPlatform>();
        for (var platform : image.platforms()) {
            stop.check();
            var dictionary = dictionaries.get(platform.manifest().digest());
            platforms.add(publish(platform, layers, choice, dictionary, work));
        }
        var index = LazyDocuments.index(
                platforms.stream().map(PublishedPlatform::pair).toList());
        var tag = Objects.requireNonNull(request.target().tag());
        var isThere = target.tagged(tag).filter(index.digest()::equals).isPresent();
        if (!isThere) {
            for (var platform : platforms) {
                target.put(platform.pair().artifact());
                target.put(platform.pair().lazy());
            }
            target.put(index);
        }
        var verified = request.verify() ? verify(request, image, index, work) : 0;
        stop.check();
        if (!isThere) {
            for (var platform : platforms) {
                target.putReferrer(platform.pair().artifact());
            }
            target.tag(tag, index);
        }
        progress.end();
        progress.say((isThere ? "Already published: " : "Published ") + request.target() + " (" + index.digest() + ")");
        return new ConversionResult(
                request.source().toString(),
                image.digest().toString(),
                target.reference().withDigest(index.digest()).toString(),
                index.digest().toString(),
                tag,
                choice.mode().name(),
                choice.reason(layers.values().stream()
                        .filter(layer -> !layer.isIndexed())
                        .count()),
                platforms.stream().map(PublishedPlatform::result).toList(),
                traffic.bytesRead(),
                traffic.bytesPushed(),
                read,
                read == 0 ? Duration.ZERO : convertTime,
                Duration.ofNanos(System.nanoTime() - began),
                request.verify(),
                verified);
    }

    private Map<Digest, ConvertedLayer> convertLayers(
            ConversionRequest request,
            ModeChoice choice,
            SourceImage image,
            Map<Digest, Dictionary> dictionaries,
            Path work)
            throws IOException {
        var promises = new LinkedHashMap<Digest, Promise>();
        // A layer of several platforms becomes one blob, which must not refer to blobs that only one of them lists.
        var dictionaryOf = new HashMap<Digest, Optional<Dictionary>>();
        for (var platform : image.platforms()) {
            for (var i = 0; i < platform.layers().size(); i++) {
                var promise = platform.promise(i);
                var dictionary = dictionaries.get(platform.manifest().digest());
                dictionaryOf.merge(
                        platform.layers().get(i).digest(),
                        Optional.ofNullable(dictionary),
                        (one, other) -> one.equals(other) ? one : Optional.empty());
                var other = promises.putIfAbsent(platform.layers().get(i).digest(), promise);
                if (other != null && !other.equals(promise)) {
                    throw new ConversionException(
                            FailureReason.CorruptLayer,
                            "layer " + promise.digest() + " is listed twice with different sizes or diff_ids");
                }
            }
        }
        var layers = image.distinctLayers();
        progress.begin(
                Phase.CONVERT,
                layers.values().stream().mapToLong(Descriptor::sizeBytes).sum());
        var records = new LayerRecords(target);
        try (var compressors = Executors.newVirtualThreadPerTaskExecutor()) {
            var conversion = conversion(request, choice, records, compressors, work);
            var converted = new ConcurrentHashMap<Digest, ConvertedLayer>();
            var tasks = new ArrayList<Parallel.Task<Digest>>();
            for (var layer : layers.values()) {
                tasks.add(() -> {
                    var promise = Objects.requireNonNull(promises.get(layer.digest()));
                    var dictionary = Objects.requireNonNull(dictionaryOf.get(layer.digest()));
                    converted.put(layer.digest(), conversion.convert(layer, promise, dictionary.orElse(null)));
                    return layer.digest();
                });
            }
            Parallel.run(request.parallel(), tasks);
            return converted;
        }
    }

    private LayerConversion conversion(
            ConversionRequest request, ModeChoice choice, LayerRecords records, Executor compressors, Path work) {
        return new LayerConversion(
                source,
                target,
                records,
                request,
                choice.mode() == Mode.Index,
                compressors,
                Runtime.getRuntime().availableProcessors() + SPARE_PRESSES,
                work,
                progress,
                stop);
    }

    private record PublishedPlatform(Pair pair, PlatformResult result) {}

    /** Pushes everything of one platform but its manifests, and makes those. */
    private PublishedPlatform publish(
            SourcePlatform platform,
            Map<Digest, ConvertedLayer> converted,
            ModeChoice choice,
            @Nullable Dictionary dictionary,
            Path work)
            throws IOException, CorruptImageException {
        var layers = new ArrayList<ConvertedLayer>();
        for (var layer : platform.layers()) {
            layers.add(Objects.requireNonNull(converted.get(layer.digest())));
        }
        var file = work.resolve("merged.boot");
        var merged = merge(layers, file);
        var bootstrap = pushBootstrap(file);
        var blobs = new ArrayList<Descriptor>();
        for (var layer : layers) {
            var isShared = dictionary != null
                    && dictionary.blobs().containsKey(layer.blob().digest());
            if (layer.chunkCount() > 0 && !isShared && !blobs.contains(layer.blob())) {
                blobs.add(layer.blob());
            }
        }
        var ownBytes = blobs.stream().mapToLong(Descriptor::sizeBytes).sum();
        var shared = sharedBlobs(merged, dictionary);
        blobs.addAll(shared.values());
        var uses = Uses.of(file, shared.keySet());
        Files.delete(file);

        var diffIds = new ArrayList<Digest>();
        blobs.forEach(blob -> diffIds.add(blob.digest()));
        diffIds.add(bootstrap.diffId());
        var artifactConfig = LazyDocuments.artifactConfig(platform, diffIds);
        var artifact = LazyDocuments.artifactManifest(
                platform,
                push(LazyNames.NYDUS_CONFIG, artifactConfig),
                blobs,
                LazyDocuments.bootstrap(bootstrap.digest(), bootstrap.sizeBytes()),
                choice.mode().name(),
                Optional.ofNullable(dictionary).map(Dictionary::artifact));

        var marker = Marker.of(artifact.digest());
        push(MediaTypes.OCI_LAYER_GZIP, marker.gzip());
        var lazyConfig = push(MediaTypes.OCI_CONFIG, LazyDocuments.lazyConfig(platform, marker));
        var lazy = LazyDocuments.lazyManifest(platform, lazyConfig, marker, artifact.digest());
        var result = new PlatformResult(
                platform.platform().toString(),
                lazy.digest().toString(),
                artifact.digest().toString(),
                platform.manifest().digest().toString(),
                platform.layers().size(),
                merged.inodes(),
                merged.chunkCount(),
                platform.layerBytes(),
                merged.contentBytes(),
                ownBytes,
                uses.sharedBytes(),
                merged.sizeBytes(),
                Math.max(0, merged.contentBytes() - uses.distinctBytes()),
                (int) layers.stream().filter(ConvertedLayer::isReused).count(),
                (int) layers.stream().filter(ConvertedLayer::isIndexed).count(),
                ownBytes
                        + artifact.layers().getLast().sizeBytes()
                        + artifact.config().sizeBytes()
                        + artifact.bytes().length);
        return new PublishedPlatform(new Pair(platform, lazy, artifact), result);
    }

    private static MergedBootstrap merge(List<ConvertedLayer> layers, Path file)
            throws IOException, CorruptImageException {
        var opened = new ArrayList<Bootstrap>();
        try {
            var toMerge = new ArrayList<MergeLayer>();
            for (var layer : layers) {
                var bootstrap = Bootstrap.open(layer.bootstrap());
                opened.add(bootstrap);
                toMerge.add(new MergeLayer(
                        bootstrap, layer.blob().digest().hex(), layer.blob().sizeBytes()));
            }
            return BootstrapMerger.merge(toMerge, file);
        } finally {
            opened.forEach(Bootstrap::close);
        }
    }

    /** The dictionary's blobs that the image uses, by their ids; they are in the target's repository when this returns. */
    private Map<String, Descriptor> sharedBlobs(MergedBootstrap merged, @Nullable Dictionary dictionary)
            throws IOException {
        var shared = new LinkedHashMap<String, Descriptor>();
        if (dictionary != null) {
            var used = merged.blobs().stream().map(BlobInfo::id).collect(Collectors.toSet());
            for (var blob : dictionary.blobs().values()) {
                if (used.contains(blob.digest().hex())) {
                    dictionary.provide(blob, target);
                    shared.put(blob.digest().hex(), LazyDocuments.blob(blob.digest(), blob.sizeBytes()));
                }
            }
        }
        return shared;
    }

    /**
     * What an image uses of its blobs.
     *
     * @param distinctBytes uncompressed bytes of all chunks in use, each once
     * @param sharedBytes stored bytes of those that lie in the dictionary's blobs
     */
    private record Uses(long distinctBytes, long sharedBytes) {
        static Uses of(Path file, Set<String> sharedBlobs) throws IOException, CorruptImageException {
            try (var bootstrap = Bootstrap.open(file)) {
                long distinct = 0;
                long shared = 0;
                for (var table : ChunkTable.fromBootstrap(bootstrap)) {
                    var isShared = sharedBlobs.contains(table.blob().id());
                    for (var i = 0; i < table.count(); i++) {
                        distinct += table.uncompressedLength(i); // 0 for chunks that are not in use
                        shared += isShared ? table.compressedLength(i) : 0;
                    }
                }
                return new Uses(distinct, shared);
            }
        }
    }

    /** Packs the bootstrap twice: its digest is known only after the first time, and often it is there already. */
    private BootstrapLayer pushBootstrap(Path file) throws IOException {
        var layer = BootstrapLayer.write(file, OutputStream.nullOutputStream());
        if (!target.hasBlob(layer.digest())) {
            try (var upload = target.upload()) {
                BootstrapLayer.write(file, upload);
                upload.commit(layer.digest());
            }
        }
        return layer;
    }

    private Descriptor push(String mediaType, byte[] content) throws ConversionException {
        var descriptor = Descriptor.of(mediaType, content);
        target.push(descriptor.digest(), content);
        return descriptor;
    }

    private long verify(ConversionRequest request, SourceImage image, ImageIndex index, Path work) throws IOException {
        var published = LazyImage.read(target, target.reference().withDigest(index.digest()));
        long bytes = 0;
        for (var i = 0; i < image.platforms().size(); i++) {
            bytes += Verification.bytesToRead(
                    image.platforms().get(i), published.entries().get(i));
        }
        progress.begin(Phase.VERIFY, bytes);
        var verification = new Verification(source, target, work, request.parallel(), progress, stop);
        long entries = 0;
        for (var i = 0; i < image.platforms().size(); i++) {
            entries += verification.verify(
                    image.platforms().get(i), published.entries().get(i));
        }
        return entries;
    }

    private static void delete(Path directory) throws IOException {
        try (var files = Files.list(directory)) {
            for (var file : files.toList()) {
                Files.deleteIfExists(file);
            }
        }
        Files.deleteIfExists(directory);
    }
}
