package dev.thaw.oci;

import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Which images something is for: a key of a docker config's {@code auths}, or an entry of {@code matchImages} of kubelet's
 * credential providers. A host, {@code host/path}, or a URL of one ({@code https://index.docker.io/v1/}). The port must be the
 * same; the path must be a whole-part prefix of the repository; labels of the host may hold {@code *} and {@code ?}.
 */
public final class ImagePattern {
    /** The more special before the more general: the longer path, then the host without wild cards. */
    static final Comparator<ImagePattern> SPECIAL_FIRST = Comparator.comparingInt(
                    (ImagePattern pattern) -> -pattern.path.length())
            .thenComparing(ImagePattern::isWild);

    private final List<String> labels;
    private final @Nullable String port;
    private final String path;

    private ImagePattern(List<String> labels, @Nullable String port, String path) {
        this.labels = labels;
        this.port = port;
        this.path = path;
    }

    /** Reads a pattern; anything is one, though not everything matches anything. */
    public static ImagePattern parse(String text) {
        var rest = text.strip();
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
        return new ImagePattern(labels(host), port(host), path);
    }

    /** Whether an image of this repository on this host is meant. */
    public boolean matches(String registryHost, String repository) {
        var host = hubless(registryHost);
        var wanted = labels(host);
        var wantedPort = port(host);
        if (wanted.size() != labels.size() || !(port == null ? wantedPort == null : port.equals(wantedPort))) {
            return false;
        }
        for (var i = 0; i < labels.size(); i++) {
            if (!matchesLabel(labels.get(i), wanted.get(i))) {
                return false;
            }
        }
        return path.isEmpty() || repository.equals(path) || repository.startsWith(path + "/");
    }

    private boolean isWild() {
        return labels.stream().anyMatch(label -> label.indexOf('*') >= 0 || label.indexOf('?') >= 0);
    }

    /** The hub has three names, and its credentials have always been kept under the fourth. */
    private static String hubless(String host) {
        var lower = host.toLowerCase(Locale.ROOT);
        return switch (lower) {
            case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com" -> Reference.DOCKER_HUB;
            default -> lower;
        };
    }

    /** {@code *} stands for any characters of one label, {@code ?} for one. Never goes back further than one star. */
    private static boolean matchesLabel(String pattern, String text) {
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

    @Override
    public String toString() {
        return String.join(".", labels) + (port == null ? "" : ":" + port) + (path.isEmpty() ? "" : "/" + path);
    }
}
