package dev.thaw.converter;

import dev.thaw.converter.ConversionRequest.Mode;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.PrintedProgress;
import dev.thaw.converter.source.SourceImage;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.MediaTypes;
import java.io.IOException;

/**
 * How an image is made lazy, and why.
 *
 * <p>A copy in chunks is what reads best: each chunk is fetched and decoded by itself, equal chunks are stored once, and zstd is quicker
 * than gzip. It costs as much of the registry as the image, and the time to press it. So it is made unless it costs much because the image
 * is large; a middling one is enough if most of it is compressed already (models, archives), so that a copy gains little.
 *
 * <p>Layers that cannot be read in place are copied whatever is chosen here. What decides is the source alone, so that the same source
 * always gives the same image.
 */
record ModeChoice(Mode mode, String reason) {
    /**
     * How large images are to be.
     *
     * @param middlingBytes below this a copy costs little
     * @param largeBytes from here on a second copy is more than a registry should be asked for unbidden
     */
    record Limits(long middlingBytes, long largeBytes) {
        static final Limits USUAL = new Limits(1L << 30, 10L << 30);
    }

    /** What gzip made smaller by less than this share was compressed before. */
    private static final double HARDLY_SMALLER = 0.1;

    private static final double MOST = 0.5;
    /** Smaller layers do not decide anything. */
    private static final long SMALL_LAYER_BYTES = 1 << 20;

    private static final int GZIP_LENGTH_BYTES = 4;
    /** Layers that have it are of short frames (github.com/containers/storage, pkg/chunked). */
    private static final String ZSTD_CHUNKED_ANNOTATION = "io.github.containers.zstd-chunked.manifest-checksum";

    static ModeChoice of(Mode wanted, SourceImage image, Repository source, Limits limits) throws IOException {
        return switch (wanted) {
            case Convert -> new ModeChoice(Mode.Convert, "Convert was asked for");
            case Index -> new ModeChoice(Mode.Index, "Index was asked for");
            case Auto -> choose(image, source, limits);
        };
    }

    private static ModeChoice choose(SourceImage image, Repository source, Limits limits) throws IOException {
        var layers = image.distinctLayers().values();
        var all = layers.stream().mapToLong(Descriptor::sizeBytes).sum();
        var size = PrintedProgress.size(all);
        if (all < limits.middlingBytes) {
            return new ModeChoice(
                    Mode.Convert,
                    "Auto chooses Convert: a copy in chunks reads best, and with layers of " + size
                            + " it costs little");
        }
        long zstd = 0;
        long compressedBefore = 0;
        for (var layer : layers) {
            switch (MediaTypes.toOci(layer.mediaType())) {
                case MediaTypes.OCI_LAYER_ZSTD ->
                    zstd += layer.annotations().containsKey(ZSTD_CHUNKED_ANNOTATION) ? 0 : layer.sizeBytes();
                case MediaTypes.OCI_LAYER_GZIP ->
                    compressedBefore += wasCompressedBefore(layer, source) ? layer.sizeBytes() : 0;
                default -> {
                    // A plain tar, which a copy makes smaller.
                }
            }
        }
        if (zstd > all * MOST) {
            return new ModeChoice(
                    Mode.Convert,
                    "Auto chooses Convert: " + percent(zstd, all) + " of the layers' " + size
                            + " is zstd, which is seldom in frames so short that it can be read in place");
        }
        if (compressedBefore > all * MOST) {
            return new ModeChoice(
                    Mode.Index,
                    "Auto chooses Index: " + percent(compressedBefore, all) + " of the layers' " + size
                            + " was compressed before it was packed, so that a copy in chunks would gain little");
        }
        if (all >= limits.largeBytes) {
            return new ModeChoice(
                    Mode.Index,
                    "Auto chooses Index: the layers have " + size + ", and from "
                            + PrintedProgress.size(limits.largeBytes) + " on they are not copied unless asked for");
        }
        return new ModeChoice(
                Mode.Convert,
                "Auto chooses Convert: the layers have " + size + ", of which " + percent(compressedBefore, all)
                        + " was compressed before; a copy in chunks reads best");
    }

    /** A gzip stream ends with the length of what it holds, modulo 2^32. */
    private static boolean wasCompressedBefore(Descriptor layer, Repository source) throws IOException {
        if (layer.sizeBytes() < SMALL_LAYER_BYTES) {
            return false;
        }
        long length = 0;
        try (var end = source.range(layer.digest(), layer.sizeBytes() - GZIP_LENGTH_BYTES, GZIP_LENGTH_BYTES)) {
            var bytes = end.readNBytes(GZIP_LENGTH_BYTES);
            if (bytes.length < GZIP_LENGTH_BYTES) {
                return false;
            }
            for (var i = 0; i < GZIP_LENGTH_BYTES; i++) {
                length |= (bytes[i] & 0xffL) << 8 * i;
            }
        } catch (ConversionException e) {
            if (e.reason().isRetryable()) {
                throw e;
            }
            return false; // whoever reads the layer will say what is wrong
        }
        // gzip hardly ever makes anything longer, so the length has at least about the layer's own size.
        var least = layer.sizeBytes() - layer.sizeBytes() / 1000 - SMALL_LAYER_BYTES / 2;
        while (length < least) {
            length += 1L << 32;
        }
        return layer.sizeBytes() > length * (1 - HARDLY_SMALLER);
    }

    private static String percent(long part, long all) {
        return all == 0 ? "0 %" : Math.round(100.0 * part / all) + " %";
    }

    /** @param copiedLayers how many layers could not be read in place */
    String reason(long copiedLayers) {
        return mode == Mode.Index && copiedLayers > 0
                ? reason + "; " + copiedLayers + (copiedLayers == 1 ? " layer" : " layers")
                        + " could not be read in place and " + (copiedLayers == 1 ? "was" : "were") + " copied"
                : reason;
    }
}
