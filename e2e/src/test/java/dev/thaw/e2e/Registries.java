package dev.thaw.e2e;

import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Document;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import java.io.IOException;

/** Short ways to the registry client. */
final class Registries {
    private Registries() {}

    static RegistryClient plainHttp(String host, CredentialSource credentials) {
        return new RegistryClient(RegistrySettings.defaults().withPlainHttp(host), credentials);
    }

    static ImageManifest manifest(byte[] json) throws IOException {
        return (ImageManifest) Document.parse(json, MediaTypes.OCI_MANIFEST);
    }
}
