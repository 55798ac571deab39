package dev.thaw.operator.image;

import dev.thaw.oci.Platform;
import dev.thaw.operator.registry.SourceImage;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Which platforms of a source are converted.
 *
 * <p>By default those that the cluster's nodes have and the source offers. While the source's digest stays, platforms
 * are only added: a node that is away for an hour must not cost a conversion, and another when it is back.
 */
final class WantedPlatforms {
    private WantedPlatforms() {}

    /**
     * @param named those that the spec names; nothing but them is converted then
     * @param nodes platforms of the cluster's nodes
     * @param converted those of the same digest that are published already
     * @return sorted; empty for a source of one platform, which is then not named
     * @throws IllegalArgumentException if the spec names no platform, or the source has none of the wanted; the message
     *     says what is offered and what is wanted
     */
    static List<String> of(
            SourceImage source, List<String> named, Collection<Platform> nodes, Collection<String> converted) {
        if (!named.isEmpty()) {
            return named.stream()
                    .map(Platform::parse)
                    .map(Platform::toString)
                    .distinct()
                    .sorted()
                    .toList();
        }
        if (source.platforms().isEmpty()) {
            return List.of();
        }
        var wanted = nodes.stream()
                .map(Platform::normalized)
                .map(WantedPlatforms::family)
                .collect(Collectors.toSet());
        var kept = new HashSet<>(converted);
        var chosen = source.platforms().stream()
                .filter(platform -> wanted.contains(family(platform)) || kept.contains(platform.toString()))
                .map(Platform::toString)
                .distinct()
                .sorted()
                .toList();
        if (chosen.isEmpty()) {
            throw new IllegalArgumentException("The source offers " + join(source.platforms())
                    + "; the cluster's nodes are "
                    + join(nodes.stream().distinct().toList()) + ". Name one in spec.platforms to convert it anyway.");
        }
        return chosen;
    }

    /** What a node tells of itself: it does not know its variant. */
    private static String family(Platform platform) {
        return platform.os() + "/" + platform.architecture();
    }

    private static String join(Collection<Platform> platforms) {
        return platforms.isEmpty()
                ? "none"
                : platforms.stream().map(Platform::toString).sorted().collect(Collectors.joining(", "));
    }
}
