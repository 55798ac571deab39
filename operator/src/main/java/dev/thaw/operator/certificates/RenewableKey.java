package dev.thaw.operator.certificates;

import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedKeyManager;
import org.jspecify.annotations.Nullable;

/**
 * The key of a TLS server, which may change while the server runs: connections made from then on are shown the new
 * certificate. A handshake that began before goes on with the one it chose.
 */
public final class RenewableKey extends X509ExtendedKeyManager {
    private record Generation(String alias, List<X509Certificate> chain, PrivateKey key) {}

    private volatile List<Generation> generations = List.of();

    RenewableKey() {}

    /** True once there is something to serve. */
    public boolean isLoaded() {
        return !generations.isEmpty();
    }

    /** A context for a server that shows this key and asks its clients for none. */
    public SSLContext context() throws GeneralSecurityException {
        var context = SSLContext.getInstance("TLS");
        context.init(new KeyManager[] {this}, null, null);
        return context;
    }

    /** Serves that from now on; true if it was not what is served already. */
    boolean use(Serving serving) {
        var before = generations;
        if (!before.isEmpty() && before.getFirst().chain().equals(serving.chain())) {
            return false;
        }
        var next = new Generation(
                serving.chain().getFirst().getSerialNumber().toString(16), serving.chain(), serving.key());
        generations = before.isEmpty() ? List.of(next) : List.of(next, before.getFirst());
        return true;
    }

    private @Nullable Generation of(@Nullable String alias) {
        return generations.stream()
                .filter(generation -> generation.alias().equals(alias))
                .findFirst()
                .orElse(null);
    }

    /** @param keyType such as {@code EC} or {@code RSA}, as the JDK names a certificate's kind of key */
    private @Nullable String newest(String keyType) {
        var all = generations;
        return !all.isEmpty() && all.getFirst().key().getAlgorithm().equals(keyType)
                ? all.getFirst().alias()
                : null;
    }

    @Override
    public @Nullable String chooseEngineServerAlias(
            String keyType, Principal @Nullable [] issuers, @Nullable SSLEngine engine) {
        return newest(keyType);
    }

    @Override
    public @Nullable String chooseServerAlias(String keyType, Principal @Nullable [] issuers, @Nullable Socket socket) {
        return newest(keyType);
    }

    @Override
    public String @Nullable [] getServerAliases(String keyType, Principal @Nullable [] issuers) {
        var alias = newest(keyType);
        return alias == null ? null : new String[] {alias};
    }

    @Override
    public X509Certificate @Nullable [] getCertificateChain(@Nullable String alias) {
        var generation = of(alias);
        return generation == null ? null : generation.chain().toArray(X509Certificate[]::new);
    }

    @Override
    public @Nullable PrivateKey getPrivateKey(@Nullable String alias) {
        var generation = of(alias);
        return generation == null ? null : generation.key();
    }

    @Override
    public String @Nullable [] getClientAliases(String keyType, Principal @Nullable [] issuers) {
        return null;
    }

    @Override
    public @Nullable String chooseClientAlias(
            String[] keyType, Principal @Nullable [] issuers, @Nullable Socket socket) {
        return null;
    }
}
