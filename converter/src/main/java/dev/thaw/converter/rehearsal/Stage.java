package dev.thaw.converter.rehearsal;

import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistrySettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;

/** A registry on loopback, over TLS, with two images that share much. */
public final class Stage implements AutoCloseable {
    private final EmbeddedRegistry registry;
    private final Path authority;

    /** @param folder where the registry keeps its content */
    public Stage(Path folder) throws IOException {
        var certificate = new HeldCertificate.Builder()
                .addSubjectAlternativeName("127.0.0.1")
                .ecdsa256()
                .build();
        authority = Files.writeString(folder.resolve("ca.pem"), certificate.certificatePem());
        registry = new EmbeddedRegistry(
                folder.resolve("registry"),
                new HandshakeCertificates.Builder()
                        .heldCertificate(certificate)
                        .build()
                        .sslContext());
        var settings = RegistrySettings.defaults().withAuthorities(authority);
        PlayedImage.push(first(), settings, 1);
        PlayedImage.push(second(), settings, 2);
    }

    /** PEM file of the authority that the registry is to be trusted by. */
    public Path authority() {
        return authority;
    }

    public Reference first() {
        return Reference.parse(registry.host() + "/rehearsal:1");
    }

    public Reference second() {
        return Reference.parse(registry.host() + "/rehearsal:2");
    }

    @Override
    public void close() {
        registry.close();
    }
}
