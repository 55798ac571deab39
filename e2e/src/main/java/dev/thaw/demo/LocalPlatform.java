package dev.thaw.demo;

import dev.thaw.oci.Platform;

/** What this machine is, in the words of images. */
final class LocalPlatform {
    private LocalPlatform() {}

    static Platform get() {
        return new Platform("linux", architecture());
    }

    static String architecture() {
        var name = System.getProperty("os.arch");
        return name.equals("aarch64") ? "arm64" : name;
    }
}
