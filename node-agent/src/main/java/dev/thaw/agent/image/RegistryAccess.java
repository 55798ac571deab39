package dev.thaw.agent.image;

import dev.thaw.oci.RegistryClient;

/** The way to an image's registry: its settings, and the credentials that this image may use. */
@FunctionalInterface
public interface RegistryAccess {
    /** A client for the image's repository; clients are shared, so the caller does not close it. */
    RegistryClient client(ImageEntry image);
}
