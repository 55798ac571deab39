package dev.thaw.oci;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The name of an image in a registry: {@code registry/repository[:tag][@digest]}.
 *
 * <p>Where both tag and digest are given the digest decides and the tag is a remark, as with Docker and containerd.
 * Where neither is given the reference names a repository only.
 *
 * @param registry host, with port if any, for example {@code docker.io} or {@code localhost:5000}; IPv6 in brackets
 * @param repository path below the host, for example {@code library/nginx}
 * @param tag the tag, or null
 * @param digest the digest, or null
 */
public record Reference(
        String registry,
        String repository,
        @Nullable String tag,
        @Nullable Digest digest) {
    /** The registry that short names mean. */
    public static final String DOCKER_HUB = "docker.io";

    private static final String DEFAULT_TAG = "latest";
    /** The OCI distribution specification, "Pulling manifests", and the limit of common implementations. */
    private static final int LONGEST_NAME = 255;

    private static final Pattern HOST = Pattern.compile(
            "(?:[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?)*"
                    + "|\\[[a-fA-F0-9:.]+])(?::[0-9]{1,5})?");
    private static final Pattern PATH =
            Pattern.compile("[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*");
    private static final Pattern TAG = Pattern.compile("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}");

    /** @throws IllegalArgumentException if a part breaks the grammar of the OCI distribution specification */
    public Reference {
        if (registry.equals("index." + DOCKER_HUB)) {
            registry = DOCKER_HUB;
        }
        require(HOST.matcher(registry).matches(), "is not a registry host", registry);
        if (registry.equals(DOCKER_HUB) && repository.indexOf('/') < 0) {
            repository = "library/" + repository;
        }
        require(
                PATH.matcher(repository).matches(),
                "is not a repository name (lower case letters, digits, and . _ - / between them)",
                repository);
        require(
                registry.length() + 1 + repository.length() <= LONGEST_NAME,
                "is longer than " + LONGEST_NAME + " characters",
                repository);
        require(tag == null || TAG.matcher(tag).matches(), "is not a tag", tag == null ? "" : tag);
    }

    /**
     * Reads a reference by Docker's rules: without a host it is on {@value #DOCKER_HUB}, there without a folder in
     * {@code library/}, and without tag and digest it is tagged {@code latest}.
     *
     * @throws IllegalArgumentException if the text is not a reference; the message says which part
     */
    public static Reference parse(String text) {
        var reference = parseRepository(text);
        return reference.tag == null && reference.digest == null ? reference.withTag(DEFAULT_TAG) : reference;
    }

    /**
     * Reads a reference as {@link #parse} does, but does not add a tag: {@code ghcr.io/team/app} stays a repository.
     *
     * @throws IllegalArgumentException if the text is not a reference; the message says which part
     */
    public static Reference parseRepository(String text) {
        require(!text.isBlank(), "is not an image reference", text);
        var name = text;
        Digest digest = null;
        var at = name.indexOf('@');
        if (at >= 0) {
            digest = Digest.parse(name.substring(at + 1));
            name = name.substring(0, at);
        }
        String tag = null;
        var colon = name.lastIndexOf(':');
        if (colon > name.lastIndexOf('/')) {
            tag = name.substring(colon + 1);
            name = name.substring(0, colon);
        }
        var slash = name.indexOf('/');
        if (slash < 0 || !looksLikeHost(name.substring(0, slash))) {
            return new Reference(DOCKER_HUB, name, tag, digest);
        }
        return new Reference(name.substring(0, slash), name.substring(slash + 1), tag, digest);
    }

    /** The first part of a name is a host if it could not be a folder of the hub: it has a dot, a port or capitals. */
    private static boolean looksLikeHost(String first) {
        return first.indexOf('.') >= 0
                || first.indexOf(':') >= 0
                || first.equals("localhost")
                || !first.equals(first.toLowerCase(Locale.ROOT));
    }

    /** The same repository by this tag alone. */
    public Reference withTag(String newTag) {
        return new Reference(registry, repository, newTag, null);
    }

    /** The same repository by this digest alone. */
    public Reference withDigest(Digest newDigest) {
        return new Reference(registry, repository, null, newDigest);
    }

    /** The same repository, without tag and digest. */
    public Reference withoutTag() {
        return new Reference(registry, repository, null, null);
    }

    /** Another repository of the same registry, without tag and digest. */
    public Reference withRepository(String newRepository) {
        return new Reference(registry, newRepository, null, null);
    }

    /** {@code registry/repository}. */
    public String name() {
        return registry + "/" + repository;
    }

    /** Whether both lie in the same repository of the same registry. */
    public boolean sameRepository(Reference other) {
        return registry.equals(other.registry) && repository.equals(other.repository);
    }

    /** What stands in the URL of the manifest: the digest, else the tag, else nothing. */
    Optional<String> selector() {
        return digest == null ? Optional.ofNullable(tag) : Optional.of(digest.toString());
    }

    private static void require(boolean condition, String rule, String part) {
        if (!condition) {
            throw new IllegalArgumentException("\"" + Printable.of(part, 100) + "\" " + rule);
        }
    }

    @Override
    public String toString() {
        return name() + (tag == null ? "" : ":" + tag) + (digest == null ? "" : "@" + digest);
    }
}
