package dev.thaw.operator.certificates;

import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.List;

/**
 * What a TLS server shows, and whom its clients must trust for it.
 *
 * @param chain the server's certificate first
 * @param authorities empty where somebody else tells the clients
 */
record Serving(List<X509Certificate> chain, PrivateKey key, List<X509Certificate> authorities) {
    Serving {
        chain = List.copyOf(chain);
        authorities = List.copyOf(authorities);
    }

    @Override
    public String toString() {
        return "Serving[" + chain.getFirst().getSubjectX500Principal() + "]";
    }
}
