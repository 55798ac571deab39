package dev.thaw.operator.conversion;

import dev.thaw.crds.Compression;
import dev.thaw.crds.Mode;
import dev.thaw.crds.Verification;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * One conversion that is wanted. Two requests with the same {@link #id} are the same work.
 *
 * @param image the source as the spec names it, normalised ({@code docker.io/library/nginx:1.27})
 * @param repository the source's repository, registry included
 * @param digest what the source points to
 * @param target where to publish: repository and tag
 * @param platforms {@code os/architecture[/variant]}, sorted; empty for the only one that the source has
 */
public record ConversionRequest(
        String image,
        String repository,
        String digest,
        String target,
        List<String> platforms,
        Mode mode,
        String chunkSize,
        Compression compression,
        Verification verification) {
    private static final int ID_BYTES = 10;

    public ConversionRequest {
        platforms = platforms.stream().sorted().distinct().toList();
    }

    /** The source by digest: what the converter reads, whatever the tag does meanwhile. */
    public String source() {
        return repository + "@" + digest;
    }

    /** All choices in one line, the source's name first; kept in {@code status.conversion.options}. */
    public String options() {
        return imagePart(image)
                + "target=" + target
                + " platforms=" + (platforms.isEmpty() ? "all" : String.join(",", platforms))
                + " mode=" + mode
                + " chunk=" + chunkSize
                + " compression=" + compression
                + " verify=" + verification;
    }

    /** True if that line was made for the source of that name. */
    public static boolean isFor(String options, String image) {
        return options.startsWith(imagePart(image));
    }

    /** Twenty hex digits over digest and options. */
    public String id() {
        try {
            var hash = MessageDigest.getInstance("SHA-256")
                    .digest((digest + " " + options()).getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(hash, 0, ID_BYTES);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private static String imagePart(String image) {
        return "image=" + image + " ";
    }
}
