package dev.thaw.converter.published;

import dev.thaw.converter.publish.LazyNames;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.report.PrintedProgress;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageManifest;
import dev.thaw.rafs.BlobInfo;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.CorruptImageException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What an image is, for people and programs.
 *
 * @param reference {@code repository@digest}
 * @param platforms one for each platform
 */
public record ImageDescription(String reference, List<PlatformDescription> platforms) {
    public ImageDescription {
        platforms = List.copyOf(platforms);
    }

    /**
     * One platform.
     *
     * @param platform {@code os/architecture[/variant]}
     * @param mode {@code Convert}, {@code Index}, or {@code nydus} for images of nydus' own tools
     * @param sourceDigest of the image that it was made of; null if it does not say
     * @param lazyDigest of the manifest that ordinary clients run; null if there is none
     * @param artifactDigest of the artifact manifest
     * @param sourceLayers layers of the source; null if it does not say
     * @param chunkSizeBytes of the file system
     * @param inodes files of all kinds, by the bootstrap's account
     * @param chunks of all blobs
     * @param uncompressedBytes of all blobs' chunks
     * @param blobBytes of all blobs, as stored
     * @param bootstrapBytes uncompressed
     * @param bootstrapLayerBytes as stored
     */
    public record PlatformDescription(
            String platform,
            String mode,
            @Nullable String sourceDigest,
            @Nullable String lazyDigest,
            String artifactDigest,
            @Nullable String sourceLayers,
            int chunkSizeBytes,
            long inodes,
            long chunks,
            long uncompressedBytes,
            long blobBytes,
            long bootstrapBytes,
            long bootstrapLayerBytes,
            List<BlobDescription> blobs) {
        public PlatformDescription {
            blobs = List.copyOf(blobs);
        }
    }

    /** One blob of a platform; {@code sizeBytes} of a layer that is read in place is that of what describes it. */
    public record BlobDescription(
            String digest, long sizeBytes, int chunks, long uncompressedBytes, String compression, String digester) {}

    /** Reads the bootstraps of the image, one after the other, by way of a file in the directory. */
    public static ImageDescription of(Repository repository, LazyImage image, Path directory) throws IOException {
        var platforms = new ArrayList<PlatformDescription>();
        for (var entry : image.entries()) {
            var file = Files.createTempFile(directory, "thaw-inspect-", ".boot");
            try {
                BootstrapLayer.fetch(repository, entry.bootstrapLayer(), file);
                try (var bootstrap = Bootstrap.open(file)) {
                    platforms.add(platform(entry, bootstrap, Files.size(file)));
                }
            } catch (CorruptImageException e) {
                throw new ConversionException(
                        FailureReason.UnsupportedMediaType,
                        "the bootstrap for " + entry.platformText() + " cannot be read: " + e.getMessage(),
                        e);
            } finally {
                Files.deleteIfExists(file);
            }
        }
        return new ImageDescription(
                repository.reference().withDigest(image.digest()).toString(), platforms);
    }

    private static PlatformDescription platform(LazyImage.Entry entry, Bootstrap bootstrap, long bootstrapBytes) {
        var annotations = entry.artifact().annotations();
        var blobs = new ArrayList<BlobDescription>();
        for (var blob : bootstrap.blobs()) {
            var listed = entry.blobs().stream()
                    .filter(descriptor -> descriptor.digest().hex().equals(blob.isLayer() ? blob.tableId() : blob.id()))
                    .findFirst();
            blobs.add(new BlobDescription(
                    "sha256:" + blob.id(),
                    listed.map(Descriptor::sizeBytes).orElse(blob.compressedSize()),
                    blob.chunkCount(),
                    blob.uncompressedSize(),
                    blob.isLayer() ? "in place, " + (blob.hasSpans() ? codec(blob) : "tar") : codec(blob),
                    blob.digester().name().toLowerCase(Locale.ROOT)));
        }
        return new PlatformDescription(
                entry.platformText(),
                annotations.getOrDefault(LazyNames.MODE_ANNOTATION, "nydus"),
                entry.source().map(Digest::toString).orElse(null),
                Optional.ofNullable(entry.lazy())
                        .map(ImageManifest::digest)
                        .map(Digest::toString)
                        .orElse(null),
                entry.artifact().digest().toString(),
                annotations.get(LazyNames.LAYERS_ANNOTATION),
                bootstrap.chunkSizeBytes(),
                bootstrap.inodeCount(),
                bootstrap.blobs().stream().mapToLong(BlobInfo::chunkCount).sum(),
                bootstrap.blobs().stream().mapToLong(BlobInfo::uncompressedSize).sum(),
                blobs.stream().mapToLong(BlobDescription::sizeBytes).sum(),
                bootstrapBytes,
                entry.bootstrapLayer().sizeBytes(),
                blobs);
    }

    private static String codec(BlobInfo blob) {
        return blob.codec().name().toLowerCase(Locale.ROOT);
    }

    /** Several lines for people. */
    public String text() {
        var text = new StringBuilder(reference);
        for (var platform : platforms) {
            line(text, 2, platform.platform, platform.mode);
            line(text, 4, "source", platform.sourceDigest == null ? "not said" : platform.sourceDigest);
            line(text, 4, "lazy", platform.lazyDigest == null ? "none" : platform.lazyDigest);
            line(text, 4, "artifact", platform.artifactDigest);
            line(text, 4, "layers", platform.sourceLayers == null ? "not said" : platform.sourceLayers);
            line(text, 4, "files", Long.toString(platform.inodes));
            line(
                    text,
                    4,
                    "chunks",
                    platform.chunks + " of at most " + PrintedProgress.size(platform.chunkSizeBytes) + ", "
                            + PrintedProgress.size(platform.uncompressedBytes) + " uncompressed");
            line(
                    text,
                    4,
                    "bootstrap",
                    PrintedProgress.size(platform.bootstrapBytes) + ", "
                            + PrintedProgress.size(platform.bootstrapLayerBytes) + " as stored");
            line(text, 4, "blobs", platform.blobs.size() + ", " + PrintedProgress.size(platform.blobBytes));
            for (var blob : platform.blobs) {
                line(
                        text,
                        6,
                        blob.digest,
                        PrintedProgress.size(blob.sizeBytes) + ", " + blob.chunks + " chunks, " + blob.compression
                                + ", " + blob.digester);
            }
        }
        return text.toString();
    }

    private static void line(StringBuilder text, int indent, String key, String value) {
        text.append('\n').append(" ".repeat(indent)).append(key).append(": ").append(value);
    }
}
