package dev.thaw.operator.conversion;

import dev.thaw.crds.Compression;
import dev.thaw.crds.Mode;
import dev.thaw.crds.Verification;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/**
 * One conversion that is wanted. Two requests with the same {@link #id} are the same work.
 *
 * @param image the source as the spec names it, normalised ({@code docker.io/library/nginx:1.27})
 * @param repository the source's repository, registry included
 * @param digest what the source points to
 * @param target where to publish: repository and tag
 * @param platforms {@code os/architecture[/variant]}, sorted; empty for the only one that the source has
 * @param dictionary a lazy image by digest, whose chunks are shared
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
        Verification verification,
        Optional<String> dictionary) {
    private static final int ID_BYTES = 10;
    /** Last in the line of options; no reference holds a blank. */
    private static final String DICTIONARY = " dictionary=";

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
                + " verify=" + verification
                + dictionary.map(reference -> DICTIONARY + reference).orElse("");
    }

    /** The dictionary in a line that {@link #options} made. */
    public static Optional<String> dictionaryOf(String options) {
        int at = options.lastIndexOf(DICTIONARY);
        return at < 0 ? Optional.empty() : Optional.of(options.substring(at + DICTIONARY.length()));
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
