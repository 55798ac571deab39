package dev.thaw.operator.certificates;

import java.io.IOException;
import java.io.StringReader;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.stream.Collectors;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;

/** PEM text (RFC 7468). Keys are read as PKCS #8, PKCS #1 or SEC 1, and written as PKCS #8. */
final class Pem {
    private static final Base64.Encoder LINES = Base64.getMimeEncoder(64, new byte[] {'\n'});

    private Pem() {}

    static String write(List<X509Certificate> certificates) throws GeneralSecurityException {
        var text = new StringBuilder();
        for (var certificate : certificates) {
            text.append(block("CERTIFICATE", certificate.getEncoded()));
        }
        return text.toString();
    }

    static String write(PrivateKey key) {
        return block("PRIVATE KEY", key.getEncoded());
    }

    /**
     * Every certificate of the text, in its order.
     *
     * @throws GeneralSecurityException when there is none, or something that is no PEM
     */
    static List<X509Certificate> certificates(String text) throws GeneralSecurityException {
        var found = new ArrayList<X509Certificate>();
        try (var parser = new PEMParser(new StringReader(text))) {
            for (var next = parser.readObject(); next != null; next = parser.readObject()) {
                if (next instanceof X509CertificateHolder holder) {
                    found.add(new JcaX509CertificateConverter().getCertificate(holder));
                }
            }
        } catch (IOException | RuntimeException e) {
            throw new GeneralSecurityException("the certificates cannot be read as PEM", e);
        }
        if (found.isEmpty()) {
            throw new GeneralSecurityException("there is no PEM certificate");
        }
        return List.copyOf(found);
    }

    /** @throws GeneralSecurityException when the text holds no unencrypted private key */
    static PrivateKey key(String text) throws GeneralSecurityException {
        var converter = new JcaPEMKeyConverter();
        try (var parser = new PEMParser(new StringReader(text))) {
            for (var next = parser.readObject(); next != null; next = parser.readObject()) {
                if (next instanceof PEMKeyPair pair) {
                    return converter.getKeyPair(pair).getPrivate();
                }
                if (next instanceof PrivateKeyInfo info) {
                    return converter.getPrivateKey(info);
                }
            }
        } catch (IOException | RuntimeException e) {
            // the cause may quote the key: it stays out
            throw new GeneralSecurityException("the private key cannot be read as PEM (%s)"
                    .formatted(e.getClass().getSimpleName()));
        }
        throw new GeneralSecurityException("there is no unencrypted PEM private key");
    }

    /** True if both hold the same certificates, whatever the white space. */
    static boolean sameCertificates(String one, String other) {
        return one.lines()
                .map(String::strip)
                .collect(Collectors.joining())
                .equals(other.lines().map(String::strip).collect(Collectors.joining()));
    }

    private static String block(String type, byte[] content) {
        return "-----BEGIN %s-----\n%s\n-----END %s-----\n".formatted(type, LINES.encodeToString(content), type);
    }
}
