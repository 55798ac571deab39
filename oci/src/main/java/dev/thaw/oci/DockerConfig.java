package dev.thaw.oci;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * The credentials in a docker {@code config.json}, which is also the content of a {@code kubernetes.io/dockerconfigjson}
 * Secret.
 *
 * <p>A key of {@code auths} is an {@link ImagePattern}. The most special one that matches wins, of several the first in the
 * file. Credential helpers and stores are programs outside this file and are not run.
 */
public final class DockerConfig implements CredentialSource {
    private static final DockerConfig EMPTY = new DockerConfig(List.of());

    private final List<Entry> entries;

    private DockerConfig(List<Entry> entries) {
        // A stable sort: among equals the file's order stays.
        this.entries = entries.stream()
                .sorted(Comparator.comparing(Entry::pattern, ImagePattern.SPECIAL_FIRST))
                .toList();
    }

    /**
     * Reads a config.
     *
     * @throws IllegalArgumentException if it is not JSON, or an entry cannot be understood; the message names the entry's
     *     host, never its content
     */
    public static DockerConfig parse(byte[] json) {
        JsonNode root;
        try {
            root = DocumentReader.json(json);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("the docker config cannot be read: " + e.getMessage(), e);
        }
        var entries = new ArrayList<Entry>();
        // A Secret of the old type kubernetes.io/dockercfg is the inner object alone.
        var auths = root.has("auths") || root.has("credsStore") || root.has("credHelpers") ? root.path("auths") : root;
        for (var auth : auths.properties()) {
            var key = Printable.of(auth.getKey(), 200);
            credential(key, auth.getValue())
                    .ifPresent(found -> entries.add(new Entry(ImagePattern.parse(auth.getKey()), found)));
        }
        return new DockerConfig(entries);
    }

    /**
     * Reads a config file.
     *
     * @throws IOException if it cannot be read or understood; the message names the file
     */
    public static DockerConfig load(Path file) throws IOException {
        try {
            return parse(Files.readAllBytes(file));
        } catch (IllegalArgumentException e) {
            throw new IOException(file + ": " + e.getMessage(), e);
        }
    }

    /** All of these together; where several fit equally well, the earlier config wins. */
    public static DockerConfig merged(List<DockerConfig> configs) {
        var all = new ArrayList<Entry>();
        configs.forEach(config -> all.addAll(config.entries));
        return new DockerConfig(all);
    }

    /** A config without any credential. */
    public static DockerConfig empty() {
        return EMPTY;
    }

    public boolean isEmpty() {
        return entries.isEmpty();
    }

    @Override
    public Optional<Credential> credential(String registryHost, String repository) {
        return entries.stream()
                .filter(entry -> entry.pattern.matches(registryHost, repository))
                .map(Entry::credential)
                .findFirst();
    }

    private static Optional<Credential> credential(String key, JsonNode auth) {
        var identity = auth.path("identitytoken").asText("");
        if (!identity.isEmpty()) {
            return Optional.of(new Credential.IdentityToken(identity));
        }
        var registry = auth.path("registrytoken").asText("");
        if (!registry.isEmpty()) {
            return Optional.of(new Credential.RegistryToken(registry));
        }
        var user = auth.path("username").asText("");
        var password = auth.path("password").asText("");
        var pair = auth.path("auth").asText("").strip();
        if (user.isEmpty() && !pair.isEmpty()) {
            var decoded = decode(key, pair);
            var colon = decoded.indexOf(':');
            if (colon < 0) {
                throw new IllegalArgumentException(
                        "the docker config's \"auth\" for " + key + " is not base64 of user:password");
            }
            user = decoded.substring(0, colon);
            password = decoded.substring(colon + 1);
        }
        if (user.equals("<token>")) {
            return Optional.of(new Credential.IdentityToken(password));
        }
        return user.isEmpty() ? Optional.empty() : Optional.of(new Credential.Basic(user, password));
    }

    private static String decode(String key, String pair) {
        try {
            // Docker pads some values with zero bytes.
            return new String(Base64.getDecoder().decode(pair), StandardCharsets.UTF_8).replaceAll("\0+$", "");
        } catch (IllegalArgumentException e) {
            // The cause would repeat a character of the secret.
            throw new IllegalArgumentException("the docker config's \"auth\" for " + key + " is not base64");
        }
    }

    private record Entry(ImagePattern pattern, Credential credential) {}

    @Override
    public String toString() {
        return "DockerConfig of " + entries.size() + " entries";
    }
}
