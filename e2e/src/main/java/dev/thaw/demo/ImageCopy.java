package dev.thaw.demo;

import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.DockerConfig;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Copies an image for this platform into the embedded registry, so that nothing is ever pushed to a foreign one. */
final class ImageCopy {
    private ImageCopy() {}

    /** Reads with the credentials that docker has, and writes to {@code target}. */
    static SourceImage copy(Reference source, RegistryClient registry, Reference target) throws IOException {
        try (var foreign = new RegistryClient(RegistrySettings.defaults().withUserAgent("thaw-demo"), credentials())) {
            var manifest = manifest(foreign, source);
            copy(foreign, source, manifest.config(), registry, target);
            long bytes = 0;
            for (var layer : manifest.layers()) {
                copy(foreign, source, layer, registry, target);
                bytes += layer.sizeBytes();
            }
            registry.putManifest(target, manifest);
            return new SourceImage(target, manifest.layers().size(), bytes);
        }
    }

    private static ImageManifest manifest(RegistryClient foreign, Reference source) throws IOException {
        return switch (foreign.manifest(source)) {
            case ImageManifest manifest -> manifest;
            case ImageIndex index -> {
                var platform = LocalPlatform.get();
                var found = index.manifestFor(platform)
                        .orElseThrow(() -> new IOException(source + " has nothing for " + platform));
                yield (ImageManifest) foreign.manifest(source.withDigest(found.digest()));
            }
        };
    }

    private static void copy(
            RegistryClient foreign, Reference source, Descriptor blob, RegistryClient registry, Reference target)
            throws IOException {
        if (registry.blobExists(target, blob.digest())) {
            return;
        }
        try (var in = foreign.blob(source, blob);
                var out = registry.upload(target)) {
            in.transferTo(out);
            out.commit(blob.digest());
        }
    }

    private static CredentialSource credentials() throws IOException {
        var folder = System.getenv().getOrDefault("DOCKER_CONFIG", System.getProperty("user.home") + "/.docker");
        var file = Path.of(folder, "config.json");
        return Files.exists(file) ? DockerConfig.load(file) : CredentialSource.anonymous();
    }
}
