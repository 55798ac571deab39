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
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The credentials in a docker {@code config.json}, which is also the content of a {@code kubernetes.io/dockerconfigjson}
 * Secret.
 *
 * <p>A key of {@code auths} is a host, {@code host/path}, or a URL of one ({@code https://index.docker.io/v1/}). The
 * port must be the same; the path must be a whole-part prefix of the repository; labels of the host may hold {@code *}
 * and {@code ?}, as kubelet allows. The longest path wins, then the host without wild cards, then the first in the file. Credential
 * helpers and stores are programs outside this file and are not run.
 */
public final class DockerConfig implements CredentialSource {
    private static final DockerConfig EMPTY = new DockerConfig(List.of());

    private final List<Entry> entries;

    private DockerConfig(List<Entry> entries) {
        // A stable sort: among equals the file's order stays.
        this.entries = entries.stream()
                .sorted(Comparator.comparingInt((Entry entry) -> -entry.path.length())
                        .thenComparing(Entry::isWild))
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
            credential(key, auth.getValue()).ifPresent(found -> entries.add(Entry.of(auth.getKey(), found)));
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
                .filter(entry -> entry.fits(hubless(registryHost), repository))
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

    /** The hub has three names, and its credentials have always been kept under the fourth. */
    private static String hubless(String host) {
        var lower = host.toLowerCase(Locale.ROOT);
        return switch (lower) {
            case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com" -> Reference.DOCKER_HUB;
            default -> lower;
        };
    }

    private record Entry(List<String> labels, @Nullable String port, String path, Credential credential) {
        static Entry of(String key, Credential credential) {
            var rest = key.strip();
            var scheme = rest.indexOf("://");
            if (scheme >= 0) {
                rest = rest.substring(scheme + 3);
            }
            var slash = rest.indexOf('/');
            var host = hubless(slash < 0 ? rest : rest.substring(0, slash));
            var path = slash < 0 ? "" : rest.substring(slash + 1).replaceAll("/+$", "");
            // Docker's old index and the API's own root are written as paths; they mean the whole host.
            if (path.equals("v1") || path.equals("v2")) {
                path = "";
            }
            return new Entry(labels(host), port(host), path, credential);
        }

        boolean isWild() {
            return labels.stream().anyMatch(label -> label.indexOf('*') >= 0 || label.indexOf('?') >= 0);
        }

        boolean fits(String host, String repository) {
            var wanted = labels(host);
            var wantedPort = port(host);
            if (wanted.size() != labels.size() || !(port == null ? wantedPort == null : port.equals(wantedPort))) {
                return false;
            }
            for (var i = 0; i < labels.size(); i++) {
                if (!matches(labels.get(i), wanted.get(i))) {
                    return false;
                }
            }
            return path.isEmpty() || repository.equals(path) || repository.startsWith(path + "/");
        }

        /** {@code *} stands for any characters of one label, {@code ?} for one. Never goes back further than one star. */
        private static boolean matches(String pattern, String text) {
            var p = 0;
            var t = 0;
            var star = -1;
            var resume = 0;
            while (t < text.length()) {
                if (p < pattern.length() && pattern.charAt(p) == '*') {
                    star = p++;
                    resume = t;
                } else if (p < pattern.length() && (pattern.charAt(p) == '?' || pattern.charAt(p) == text.charAt(t))) {
                    p++;
                    t++;
                } else if (star >= 0) {
                    p = star + 1;
                    t = ++resume;
                } else {
                    return false;
                }
            }
            while (p < pattern.length() && pattern.charAt(p) == '*') {
                p++;
            }
            return p == pattern.length();
        }

        private static List<String> labels(String host) {
            var name = host.startsWith("[") ? host.substring(0, host.indexOf(']') + 1) : host.split(":", 2)[0];
            return List.of(name.split("\\.", -1));
        }

        private static @Nullable String port(String host) {
            var colon = host.indexOf(':', host.indexOf(']') + 1);
            return colon < 0 ? null : host.substring(colon + 1);
        }
    }

    @Override
    public String toString() {
        return "DockerConfig of " + entries.size() + " entries";
    }
}
