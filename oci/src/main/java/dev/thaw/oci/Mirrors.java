package dev.thaw.oci;

import java.util.List;

/**
 * The mirrors of one registry.
 *
 * @param endpoints in the order in which they are tried
 * @param fallback whether the registry itself is read from when no mirror delivers; if not, what a tag means is the
 *     mirrors' word too, for there is no other
 */
public record Mirrors(List<Mirror> endpoints, boolean fallback) {
    /** The host that stands for every registry without mirrors of its own. */
    public static final String EVERY_HOST = "*";

    static final Mirrors NONE = new Mirrors(List.of(), true);

    /** @throws IllegalArgumentException if nothing is left to read from */
    public Mirrors {
        endpoints = List.copyOf(endpoints);
        if (endpoints.isEmpty() && !fallback) {
            throw new IllegalArgumentException("a registry without fallback needs at least one mirror");
        }
    }
}
