package dev.thaw.operator.registry;

import dev.thaw.oci.RegistrySettings;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * How a registry differs from an ordinary one.
 *
 * @param host as references write it, with port if any
 * @param plainHttp it speaks no TLS
 * @param ca PEM text of the authorities that its certificate is trusted by, beside the system's
 */
public record RegistryEntry(String host, boolean plainHttp, Optional<String> ca) {
    /** The hosts that speak plain HTTP, in order. */
    public static List<String> plainHttpHosts(List<RegistryEntry> registries) {
        return registries.stream()
                .filter(RegistryEntry::plainHttp)
                .map(RegistryEntry::host)
                .toList();
    }

    /** The PEM texts of all authorities, one after the other; empty without any. */
    public static String certificates(List<RegistryEntry> registries) {
        return registries.stream()
                .flatMap(registry -> registry.ca().stream())
                .map(String::strip)
                .collect(Collectors.joining("\n"));
    }

    /**
     * How to talk to registries when some of them differ.
     *
     * @throws IllegalArgumentException if an authority is not PEM; the message names the host
     */
    public static RegistrySettings settings(List<RegistryEntry> registries) {
        var authorities = new ArrayList<X509Certificate>();
        registries.forEach(registry -> authorities.addAll(registry.authorities()));
        return RegistrySettings.defaults()
                .withPlainHttp(plainHttpHosts(registries).toArray(String[]::new))
                .withAuthorities(authorities);
    }

    private List<X509Certificate> authorities() {
        var found = new ArrayList<X509Certificate>();
        try {
            if (ca.isPresent()) {
                var pem = new ByteArrayInputStream(ca.get().getBytes(StandardCharsets.US_ASCII));
                for (var certificate : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
                    found.add((X509Certificate) certificate);
                }
            }
        } catch (CertificateException e) {
            throw new IllegalArgumentException(
                    "the authority of registry " + host + " is not PEM text of certificates: " + e.getMessage(), e);
        }
        return found;
    }
}
