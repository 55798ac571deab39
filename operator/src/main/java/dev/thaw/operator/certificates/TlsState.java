package dev.thaw.operator.certificates;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.SignatureException;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What one of the operator's TLS servers needs, as its Secret holds it.
 *
 * <pre>
 *  key      content
 *  tls.crt  the server's certificate
 *  tls.key  its private key
 *  ca.crt   every authority that clients shall trust, the current one first
 *  ca.key   the private key of the current one
 * </pre>
 *
 * @param authorities those of {@code ca.crt}, never empty
 */
record TlsState(
        List<X509Certificate> authorities, PrivateKey authorityKey, X509Certificate serving, PrivateKey servingKey) {
    TlsState {
        authorities = List.copyOf(authorities);
    }

    Identity authority() {
        return new Identity(authorities.getFirst(), authorityKey);
    }

    Serving served() {
        return new Serving(List.of(serving), servingKey, authorities);
    }

    /** True if the current authority signed the server's certificate. */
    boolean isServedByCurrentAuthority() throws GeneralSecurityException {
        try {
            serving.verify(authorities.getFirst().getPublicKey());
            return true;
        } catch (SignatureException | java.security.InvalidKeyException e) {
            return false;
        }
    }

    /** As a Secret's data. */
    Map<String, String> data() throws GeneralSecurityException {
        Map<String, String> data = new LinkedHashMap<>();
        data.put("tls.crt", encode(Pem.write(List.of(serving))));
        data.put("tls.key", encode(Pem.write(servingKey)));
        data.put("ca.crt", encode(Pem.write(authorities)));
        data.put("ca.key", encode(Pem.write(authorityKey)));
        return data;
    }

    /** @throws GeneralSecurityException when something is missing or cannot be read; the message names it */
    static TlsState read(@Nullable Map<String, String> data) throws GeneralSecurityException {
        return new TlsState(
                Pem.certificates(decode(data, "ca.crt")),
                Pem.key(decode(data, "ca.key")),
                Pem.certificates(decode(data, "tls.crt")).getFirst(),
                Pem.key(decode(data, "tls.key")));
    }

    private static String encode(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String decode(@Nullable Map<String, String> data, String key) throws GeneralSecurityException {
        var value = data == null ? null : data.get(key);
        if (value == null) {
            throw new GeneralSecurityException("key " + key + " is missing");
        }
        try {
            return new String(Base64.getDecoder().decode(value), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new GeneralSecurityException("key " + key + " is not base64", e);
        }
    }

    @Override
    public String toString() {
        return "TlsState[%s until %s, %d authorities]"
                .formatted(
                        serving.getSubjectX500Principal(), serving.getNotAfter().toInstant(), authorities.size());
    }
}
