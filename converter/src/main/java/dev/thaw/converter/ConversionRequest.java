package dev.thaw.converter;

import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import dev.thaw.rafs.LayerOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What is to be converted to what.
 *
 * @param source the image
 * @param target where the lazy image goes; must have a tag
 * @param platforms empty for all Linux platforms of the source
 * @param options how blobs are made
 * @param dictionary a lazy image whose chunks copied layers refer to where they are and do not store again; null for none
 * @param mode what was asked for
 * @param mayReuse whether layers that were converted before are taken as they are
 * @param verify whether the result is compared with the source before the tag moves
 * @param parallel layers converted, and blobs verified, at a time
 * @param workDirectory for bootstraps; made if it is not there
 * @param spanBytes how much of a layer, about, is decoded from one checkpoint where layers stay as they are
 */
public record ConversionRequest(
        Reference source,
        Reference target,
        List<Platform> platforms,
        LayerOptions options,
        @Nullable Reference dictionary,
        Mode mode,
        boolean mayReuse,
        boolean verify,
        int parallel,
        Path workDirectory,
        int spanBytes) {
    /** As often as makes a read of a small file cheap, and keeps the checkpoints small beside the layer. */
    public static final int DEFAULT_SPAN_BYTES = 1 << 20;

    private static final int MIN_SPAN_BYTES = 128 << 10;
    private static final int MAX_SPAN_BYTES = 16 << 20;

    /** How an image is made lazy. */
    public enum Mode {
        /** The converter decides. */
        Auto,
        /** Contents are copied into blobs of compressed chunks. */
        Convert,
        /** Layers stay as they are; what is stored says where in them contents lie. */
        Index
    }

    /** A request without a dictionary, and with checkpoints at the usual distance. */
    public ConversionRequest(
            Reference source,
            Reference target,
            List<Platform> platforms,
            LayerOptions options,
            Mode mode,
            boolean mayReuse,
            boolean verify,
            int parallel,
            Path workDirectory) {
        this(
                source,
                target,
                platforms,
                options,
                null,
                mode,
                mayReuse,
                verify,
                parallel,
                workDirectory,
                DEFAULT_SPAN_BYTES);
    }

    public ConversionRequest {
        platforms = List.copyOf(platforms);
        if (target.tag() == null || target.digest() != null) {
            throw new IllegalArgumentException("the target " + target + " must have a tag, and no digest");
        }
        if (parallel < 1 || parallel > 64) {
            throw new IllegalArgumentException("1 to 64 layers can be converted at a time, not " + parallel);
        }
        if (spanBytes < MIN_SPAN_BYTES || spanBytes > MAX_SPAN_BYTES) {
            throw new IllegalArgumentException(
                    "checkpoints can be 128 KiB to 16 MiB apart, not " + spanBytes + " bytes");
        }
    }

    /** The same without taking anything that was converted before. */
    ConversionRequest anew() {
        return new ConversionRequest(
                source,
                target,
                platforms,
                options,
                dictionary,
                mode,
                false,
                verify,
                parallel,
                workDirectory,
                spanBytes);
    }

    /** Everything that decides a blob's bytes beside its layer. Part of what is stored: changing it converts everything anew. */
    static String canonical(LayerOptions options) {
        return String.join(
                ";",
                "rafs6",
                "chunk=" + options.chunkSizeBytes(),
                options.codec().name().toLowerCase(Locale.ROOT).replace("_block", ""),
                options.digest().name().toLowerCase(Locale.ROOT),
                "v1");
    }

    /** The same for blobs that describe a layer which stays as it is. */
    String canonicalIndex() {
        return String.join(
                ";",
                "rafs6-index",
                "chunk=" + options.chunkSizeBytes(),
                "span=" + spanBytes,
                options.digest().name().toLowerCase(Locale.ROOT),
                "v1");
    }

    /** The tag beside the source's: {@code <tag>-thaw}. For a source by digest alone, {@code sha256-<12 digits>-thaw}. */
    public static Reference defaultTarget(Reference source) {
        var tag = source.tag();
        var digest = source.digest();
        if (tag == null && digest == null) {
            throw new IllegalArgumentException("the source " + source + " has neither tag nor digest");
        }
        var stem = tag != null
                ? tag
                : digest == null
                        ? "latest"
                        : digest.algorithm() + "-" + digest.hex().substring(0, 12);
        var room = 128 - "-thaw".length();
        return source.withTag((stem.length() > room ? stem.substring(0, room) : stem) + "-thaw");
    }
}
