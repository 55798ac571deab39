package dev.thaw.converter;

import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.DockerConfig;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How registries are reached; shared by all commands. */
final class RegistryOptions {
    /** PEM text of further authorities, as a Job of the operator gets it. */
    static final String CERTIFICATES_VARIABLE = "THAW_CA_CERTIFICATES";

    @Option(
            names = "--pull-config",
            paramLabel = "FILE",
            description =
                    "Docker config file with credentials for reading; may be given several times, earlier ones win.")
    List<Path> pullConfigs = new ArrayList<>();

    @Option(
            names = "--plain-http",
            paramLabel = "HOST[:PORT]",
            description = "Registry that is spoken to without TLS; may be given several times.")
    List<String> plainHttp = new ArrayList<>();

    @Option(
            names = "--ca",
            paramLabel = "FILE",
            description =
                    "PEM file of authorities trusted beside the system's; may be given several times. PEM text in the"
                            + " environment variable " + CERTIFICATES_VARIABLE + " counts too.")
    List<Path> authorities = new ArrayList<>();

    RegistrySettings settings(Map<String, String> environment) throws IOException {
        var settings = RegistrySettings.defaults()
                .withUserAgent("thaw-converter")
                .withPlainHttp(plainHttp.toArray(String[]::new));
        for (var file : authorities) {
            settings = settings.withAuthorities(file);
        }
        var pem = environment.getOrDefault(CERTIFICATES_VARIABLE, "");
        return pem.isBlank() ? settings : settings.withAuthorities(certificates(pem));
    }

    private static List<X509Certificate> certificates(String pem) throws IOException {
        try {
            var certificates = new ArrayList<X509Certificate>();
            var bytes = new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII));
            for (var certificate : CertificateFactory.getInstance("X.509").generateCertificates(bytes)) {
                certificates.add((X509Certificate) certificate);
            }
            return certificates;
        } catch (CertificateException e) {
            throw new IOException(CERTIFICATES_VARIABLE + " holds no PEM certificates: " + e.getMessage(), e);
        }
    }

    RegistryClient reader() throws IOException {
        return new RegistryClient(settings(System.getenv()), credentials(null));
    }

    /** @param pushConfig credentials for writing, asked before those for reading */
    RegistryClient writer(Path pushConfig) throws IOException {
        return new RegistryClient(settings(System.getenv()), credentials(pushConfig));
    }

    private CredentialSource credentials(@Nullable Path first) throws IOException {
        var configs = new ArrayList<DockerConfig>();
        if (first != null) {
            configs.add(DockerConfig.load(first));
        }
        for (var file : pullConfigs) {
            configs.add(DockerConfig.load(file));
        }
        return DockerConfig.merged(configs);
    }
}
