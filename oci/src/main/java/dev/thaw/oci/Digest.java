package dev.thaw.oci;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/**
 * The digest of some content, as {@code algorithm:hex}. Only the algorithms that the OCI image specification registers
 * are known: sha256 (64 hex digits) and sha512 (128).
 *
 * @param algorithm {@code sha256} or {@code sha512}
 * @param hex the digest in lower case hexadecimal
 */
public record Digest(String algorithm, String hex) {
    private static final Pattern HEX = Pattern.compile("[0-9a-f]+");

    /** @throws IllegalArgumentException if the algorithm is unknown or the digits do not fit it */
    public Digest {
        var digits = switch (algorithm) {
            case "sha256" -> 64;
            case "sha512" -> 128;
            default ->
                throw new IllegalArgumentException(
                        "digest algorithm \"" + printable(algorithm) + "\" is not known; use sha256 or sha512");
        };
        if (hex.length() != digits || !HEX.matcher(hex).matches()) {
            throw new IllegalArgumentException("a " + algorithm + " digest has " + digits
                    + " lower case hex digits, not \"" + printable(hex) + "\"");
        }
    }

    /**
     * Reads {@code algorithm:hex}.
     *
     * @throws IllegalArgumentException if the text is anything else
     */
    public static Digest parse(String text) {
        var colon = text.indexOf(':');
        if (colon < 0) {
            throw new IllegalArgumentException(
                    "a digest reads algorithm:hex, for example sha256:…, not \"" + printable(text) + "\"");
        }
        return new Digest(text.substring(0, colon), text.substring(colon + 1));
    }

    /** The sha256 digest of these bytes. */
    public static Digest sha256(byte[] content) {
        return of("sha256", content);
    }

    /** The digest that a {@link #hasher()} of the given algorithm came to. Leaves the hasher reset. */
    public static Digest of(String algorithm, MessageDigest hasher) {
        return new Digest(algorithm, HexFormat.of().formatHex(hasher.digest()));
    }

    static Digest of(String algorithm, byte[] content) {
        var hasher = hasher(algorithm);
        hasher.update(content);
        return of(algorithm, hasher);
    }

    /** Whether these bytes have this digest. */
    public boolean matches(byte[] content) {
        return of(algorithm, content).equals(this);
    }

    /** A fresh hasher of this digest's algorithm. */
    public MessageDigest hasher() {
        return hasher(algorithm);
    }

    static MessageDigest hasher(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm.equals("sha512") ? "SHA-512" : "SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256 and SHA-512", e);
        }
    }

    /** Untrusted text goes into messages shortened and without control characters. */
    private static String printable(String text) {
        return Printable.of(text, 80);
    }

    @Override
    public String toString() {
        return algorithm + ":" + hex;
    }
}
