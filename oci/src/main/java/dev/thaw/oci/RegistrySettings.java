package dev.thaw.oci;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * How a {@link RegistryClient} behaves. Starts from {@link #defaults()}; each {@code with…} returns a changed copy.
 *
 * @param plainHttpHosts registries spoken to without TLS, written as references write them ({@code localhost:5000});
 *     no other is, whatever it answers
 * @param authorities certificates trusted beside the system's
 * @param connectTimeout to connect, and for the TLS handshake
 * @param readTimeout the longest silence while reading or writing
 * @param callTimeout for a whole call with a small answer; calls that carry content get, on top, the time it takes at 64
 *     KiB/s
 * @param commitTimeout the longest silence while a registry checks a finished upload
 * @param retries how often a call is repeated after a passing failure
 * @param firstPause before the first repetition; doubled each time, with jitter
 * @param longestPause the most that is waited before a repetition; a registry that asks for more is not asked again
 * @param uploadChunkBytes how much of an upload of unknown size is sent at once; twice as much is held in memory; a
 *     registry may demand more
 * @param mirrors registry host, or {@link Mirrors#EVERY_HOST}, to the endpoints tried first
 * @param userAgent names us to registries
 */
public record RegistrySettings(
        Set<String> plainHttpHosts,
        List<X509Certificate> authorities,
        Duration connectTimeout,
        Duration readTimeout,
        Duration callTimeout,
        Duration commitTimeout,
        int retries,
        Duration firstPause,
        Duration longestPause,
        int uploadChunkBytes,
        Map<String, Mirrors> mirrors,
        String userAgent) {
    /** @throws IllegalArgumentException if a duration is not positive, or a number out of range */
    public RegistrySettings {
        plainHttpHosts = Set.copyOf(plainHttpHosts);
        authorities = List.copyOf(authorities);
        mirrors = Map.copyOf(mirrors);
        for (var duration :
                List.of(connectTimeout, readTimeout, callTimeout, commitTimeout, firstPause, longestPause)) {
            require(duration.isPositive(), "every duration must be positive, one is " + duration);
        }
        require(retries >= 0 && retries <= 100, "retries must be 0 to 100, not " + retries);
        require(
                uploadChunkBytes >= 1 << 10 && uploadChunkBytes <= 1 << 28,
                "an upload chunk must be 1 KiB to 256 MiB, not " + uploadChunkBytes);
        require(!userAgent.isBlank(), "the user agent must not be empty");
    }

    /** TLS everywhere, the system's authorities, 10 s to connect, 30 s of silence, 60 s a call, 4 repetitions. */
    public static RegistrySettings defaults() {
        return new RegistrySettings(
                Set.of(),
                List.of(),
                Duration.ofSeconds(10),
                Duration.ofSeconds(30),
                Duration.ofSeconds(60),
                Duration.ofMinutes(5),
                4,
                Duration.ofMillis(200),
                Duration.ofSeconds(30),
                8 << 20,
                Map.of(),
                "thaw");
    }

    /** Also speaks to these hosts without TLS. */
    public RegistrySettings withPlainHttp(String... hosts) {
        var more = new HashSet<>(plainHttpHosts);
        more.addAll(List.of(hosts));
        return new RegistrySettings(
                more,
                authorities,
                connectTimeout,
                readTimeout,
                callTimeout,
                commitTimeout,
                retries,
                firstPause,
                longestPause,
                uploadChunkBytes,
                mirrors,
                userAgent);
    }

    /** Also trusts these authorities. */
    public RegistrySettings withAuthorities(List<X509Certificate> certificates) {
        var more = new ArrayList<>(authorities);
        more.addAll(certificates);
        return new RegistrySettings(
                plainHttpHosts,
                more,
                connectTimeout,
                readTimeout,
                callTimeout,
                commitTimeout,
                retries,
                firstPause,
                longestPause,
                uploadChunkBytes,
                mirrors,
                userAgent);
    }

    /**
     * Also trusts the authorities in this PEM file.
     *
     * @throws IOException if it cannot be read or holds no certificate
     */
    public RegistrySettings withAuthorities(Path pem) throws IOException {
        try (var in = Files.newInputStream(pem)) {
            return withAuthorities(certificates(in));
        } catch (CertificateException e) {
            throw new IOException(pem + " is not a PEM file of authorities: " + e.getMessage(), e);
        }
    }

    /**
     * Also trusts the authorities in this PEM text.
     *
     * @throws IllegalArgumentException if it holds no certificate
     */
    public RegistrySettings withAuthorities(String pem) {
        try {
            return withAuthorities(certificates(new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII))));
        } catch (CertificateException e) {
            throw new IllegalArgumentException("the PEM text of authorities cannot be used: " + e.getMessage(), e);
        }
    }

    private static List<X509Certificate> certificates(InputStream pem) throws CertificateException {
        var certificates = new ArrayList<X509Certificate>();
        for (var certificate : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
            certificates.add((X509Certificate) certificate);
        }
        if (certificates.isEmpty()) {
            throw new CertificateException("it holds no certificate");
        }
        return certificates;
    }

    public RegistrySettings withTimeouts(Duration connect, Duration read, Duration call) {
        return new RegistrySettings(
                plainHttpHosts,
                authorities,
                connect,
                read,
                call,
                commitTimeout,
                retries,
                firstPause,
                longestPause,
                uploadChunkBytes,
                mirrors,
                userAgent);
    }

    public RegistrySettings withCommitTimeout(Duration timeout) {
        return new RegistrySettings(
                plainHttpHosts,
                authorities,
                connectTimeout,
                readTimeout,
                callTimeout,
                timeout,
                retries,
                firstPause,
                longestPause,
                uploadChunkBytes,
                mirrors,
                userAgent);
    }

    public RegistrySettings withRetries(int number, Duration first, Duration longest) {
        return new RegistrySettings(
                plainHttpHosts,
                authorities,
                connectTimeout,
                readTimeout,
                callTimeout,
                commitTimeout,
                number,
                first,
                longest,
                uploadChunkBytes,
                mirrors,
                userAgent);
    }

    public RegistrySettings withUploadChunk(int bytes) {
        return new RegistrySettings(
                plainHttpHosts,
                authorities,
                connectTimeout,
                readTimeout,
                callTimeout,
                commitTimeout,
                retries,
                firstPause,
                longestPause,
                bytes,
                mirrors,
                userAgent);
    }

    /** Tries these endpoints, and no others, before the registry of this host. */
    public RegistrySettings withMirrors(String registryHost, List<Mirror> endpoints) {
        return withMirrors(registryHost, new Mirrors(endpoints, true));
    }

    /** Reads what is on this host by way of these mirrors. */
    public RegistrySettings withMirrors(String registryHost, Mirrors wanted) {
        var more = new HashMap<>(mirrors);
        more.put(registryHost, wanted);
        return new RegistrySettings(
                plainHttpHosts,
                authorities,
                connectTimeout,
                readTimeout,
                callTimeout,
                commitTimeout,
                retries,
                firstPause,
                longestPause,
                uploadChunkBytes,
                more,
                userAgent);
    }

    public RegistrySettings withUserAgent(String agent) {
        return new RegistrySettings(
                plainHttpHosts,
                authorities,
                connectTimeout,
                readTimeout,
                callTimeout,
                commitTimeout,
                retries,
                firstPause,
                longestPause,
                uploadChunkBytes,
                mirrors,
                agent);
    }

    /** The mirrors of a registry. */
    Mirrors mirrorsOf(String registryHost) {
        var own = mirrors.get(registryHost);
        return own == null ? mirrors.getOrDefault(Mirrors.EVERY_HOST, Mirrors.NONE) : own;
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }
}
