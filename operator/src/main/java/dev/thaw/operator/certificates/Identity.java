package dev.thaw.operator.certificates;

import java.security.PrivateKey;
import java.security.cert.X509Certificate;

/** A certificate and the private key that goes with it. */
record Identity(X509Certificate certificate, PrivateKey key) {
    @Override
    public String toString() {
        return "Identity[" + certificate.getSubjectX500Principal() + "]";
    }
}
