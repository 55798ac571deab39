package dev.thaw.oci;

import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What an image runs on (OCI image specification, "Image Index", {@code platform}).
 *
 * @param os for example {@code linux}
 * @param architecture for example {@code amd64}, in Go's spelling
 * @param variant for example {@code v8}, or null
 * @param osVersion for Windows, or null
 * @param osFeatures for Windows, mostly empty
 */
public record Platform(
        String os,
        String architecture,
        @Nullable String variant,
        @Nullable String osVersion,
        List<String> osFeatures) {
    public Platform {
        osFeatures = List.copyOf(osFeatures);
    }

    public Platform(String os, String architecture) {
        this(os, architecture, null, null, List.of());
    }

    /**
     * Reads {@code os/architecture[/variant]} and normalises it.
     *
     * @throws IllegalArgumentException if the text has another form
     */
    public static Platform parse(String text) {
        var parts = text.split("/", -1);
        if (parts.length < 2 || parts.length > 3 || List.of(parts).contains("")) {
            throw new IllegalArgumentException(
                    "a platform reads os/architecture[/variant], for example linux/amd64, not \""
                            + Printable.of(text, 80) + "\"");
        }
        return new Platform(parts[0], parts[1], parts.length == 3 ? parts[2] : null, null, List.of()).normalized();
    }

    /**
     * The one spelling of this platform: Go's architecture names, {@code arm} means {@code arm/v7}, and the variants that
     * say nothing ({@code arm64/v8}, {@code amd64/v1}) are left out, as containerd does.
     */
    public Platform normalized() {
        var name = architecture.toLowerCase(Locale.ROOT);
        var level = variant == null ? "" : variant.toLowerCase(Locale.ROOT);
        switch (name) {
            case "x86_64", "x86-64" -> name = "amd64";
            case "i386", "i686" -> name = "386";
            case "aarch64" -> name = "arm64";
            case "armhf" -> {
                name = "arm";
                level = "v7";
            }
            case "armel" -> {
                name = "arm";
                level = "v6";
            }
            default -> {}
        }
        if ((name.equals("arm64") && (level.equals("v8") || level.equals("8")))
                || (name.equals("amd64") && level.equals("v1"))) {
            level = "";
        } else if (name.equals("arm") && level.isEmpty()) {
            level = "v7";
        }
        return new Platform(os.toLowerCase(Locale.ROOT), name, level.isEmpty() ? null : level, osVersion, osFeatures);
    }

    /** Whether both mean the same operating system, architecture and variant. */
    public boolean matches(Platform other) {
        return normalized().toString().equals(other.normalized().toString());
    }

    /** {@code os/architecture[/variant]}. */
    @Override
    public String toString() {
        return os + "/" + architecture + (variant == null ? "" : "/" + variant);
    }
}
