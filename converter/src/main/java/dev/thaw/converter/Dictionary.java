package dev.thaw.converter;

import dev.thaw.converter.publish.LazyNames;
import dev.thaw.converter.published.BootstrapLayer;
import dev.thaw.converter.published.LazyImage;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.source.SourcePlatform;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapChecker;
import dev.thaw.rafs.ChunkDictionary;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.LayerOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What another lazy image has stored for one platform: the image that is converted refers to it, in the other one's blobs, and does not
 * store it again.
 *
 * @param repository where the other image is
 * @param artifact the other image's artifact for the platform
 * @param chunks what it has
 * @param blobs descriptors of its blobs by their digests, without those that only describe layers
 * @param layers those of the other's source, which were converted by {@code layerOptions}
 * @param layerOptions by which the records of those layers are found
 * @param options by which the records of layers converted with this dictionary are found
 */
record Dictionary(
        Repository repository,
        Digest artifact,
        ChunkDictionary chunks,
        Map<Digest, Descriptor> blobs,
        Set<Digest> layers,
        String layerOptions,
        String options) {

    Dictionary {
        blobs = new LinkedHashMap<>(blobs);
        layers = Set.copyOf(layers);
    }

    /**
     * Reads the dictionaries of an image's platforms.
     *
     * @return by the digest of the source's manifest; platforms that the other image does not have are left out
     */
    static Map<Digest, Dictionary> read(
            Repository repository, Reference reference, List<SourcePlatform> platforms, LayerOptions options, Path work)
            throws IOException {
        var image = LazyImage.read(repository, reference);
        var dictionaries = new HashMap<Digest, Dictionary>();
        for (var platform : platforms) {
            var entry = image.entries().stream()
                    .filter(other ->
                            other.platform() == null || other.platform().matches(platform.platform()))
                    .findFirst();
            if (entry.isPresent()) {
                dictionaries.put(
                        platform.manifest().digest(),
                        read(repository, entry.get(), ConversionRequest.canonical(options), options, work));
            }
        }
        return dictionaries;
    }

    private static Dictionary read(
            Repository repository, LazyImage.Entry entry, String plain, LayerOptions options, Path work)
            throws IOException {
        var artifact = entry.artifact();
        var blobs = new LinkedHashMap<Digest, Descriptor>();
        entry.blobs().stream()
                .filter(blob -> !blob.annotations().containsKey(LazyNames.NYDUS_REFERENCE_ANNOTATION))
                .forEach(blob -> blobs.put(blob.digest(), blob));
        var layers = new HashSet<Digest>();
        var lazy = entry.lazy();
        if (lazy != null) {
            lazy.layers().stream().skip(1).forEach(layer -> layers.add(layer.digest())); // the first is the marker
        }
        return new Dictionary(
                repository,
                artifact.digest(),
                chunks(repository, entry, options, work),
                blobs,
                layers,
                withDictionary(plain, artifact.annotations().get(LazyNames.DICTIONARY_ANNOTATION)),
                withDictionary(plain, artifact.digest().toString()));
    }

    private static ChunkDictionary chunks(Repository repository, LazyImage.Entry entry, LayerOptions options, Path work)
            throws IOException {
        var file = work.resolve("dictionary-" + entry.artifact().digest().hex() + ".boot");
        try {
            BootstrapLayer.fetch(repository, entry.bootstrapLayer(), file);
            try (var bootstrap = Bootstrap.open(file)) {
                for (var blob : bootstrap.blobs()) {
                    if (!blob.isLayer()
                            && entry.blobs().stream()
                                    .noneMatch(listed -> listed.digest().hex().equals(blob.id()))) {
                        throw unusable(
                                entry, "it uses the blob " + blob.id() + ", which its manifest does not list", null);
                    }
                }
                if (bootstrap.chunkSizeBytes() != options.chunkSizeBytes()) {
                    throw unusable(
                            entry,
                            "it has chunks of " + bootstrap.chunkSizeBytes() + " bytes, wanted are chunks of "
                                    + options.chunkSizeBytes(),
                            null);
                }
                BootstrapChecker.check(bootstrap);
                return ChunkDictionary.of(bootstrap);
            }
        } catch (CorruptImageException e) {
            throw unusable(entry, String.valueOf(e.getMessage()), e);
        } finally {
            Files.deleteIfExists(file);
        }
    }

    private static ConversionException unusable(LazyImage.Entry entry, String why, @Nullable Throwable cause) {
        return new ConversionException(
                FailureReason.UnsupportedMediaType,
                "the image " + entry.artifact().digest() + " cannot be used as a dictionary of chunks: " + why,
                cause);
    }

    private static String withDictionary(String plain, @Nullable String artifact) {
        return artifact == null ? plain : plain + ";dictionary=" + artifact;
    }

    /** Where the layer's record is found if the other image has the very layer, and so its blob. */
    Optional<String> layerOptions(Descriptor layer) {
        return layers.contains(layer.digest()) ? Optional.of(layerOptions) : Optional.empty();
    }

    /** Brings a blob into a repository, where it is not there already. */
    void provide(Descriptor blob, Repository target) throws IOException {
        if (repository.reference().sameRepository(target.reference())
                || target.hasBlob(blob.digest())
                || target.mount(blob.digest(), repository)) {
            return;
        }
        try (var in = repository.unchecked(blob);
                var upload = target.upload()) {
            in.transferTo(upload);
            upload.commit(blob.digest());
        }
    }
}
