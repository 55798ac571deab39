package dev.thaw.operator.certificates;

import dev.thaw.crds.Names;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.security.GeneralSecurityException;
import java.time.InstantSource;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Certificates made by the operator and kept in a Secret. Every replica may find that one is due: the first that writes
 * wins, the others read what it wrote.
 */
record SelfMadeSource(
        KubernetesClient client,
        String namespace,
        String secretName,
        List<String> dnsNames,
        RenewalPolicy policy,
        InstantSource clock)
        implements ServingSource {
    private static final Logger LOG = LoggerFactory.getLogger(SelfMadeSource.class);
    private static final int TRIES = 5;

    @Override
    public Serving load() throws IOException, GeneralSecurityException {
        try {
            for (int attempt = 1; ; attempt++) {
                var found = client.secrets()
                        .inNamespace(namespace)
                        .withName(secretName)
                        .get();
                var before = found == null ? null : read(found);
                var after = before == null
                        ? policy.first(authorityName(), dnsNames, clock.instant())
                        : policy.renewed(before, authorityName(), dnsNames, clock.instant());
                if (after.equals(before)) {
                    return after.served();
                }
                try {
                    write(found, after);
                    LOG.info("Secret {}/{} holds a new certificate: {}", namespace, secretName, after);
                    return after.served();
                } catch (KubernetesClientException e) {
                    if (e.getCode() != HttpURLConnection.HTTP_CONFLICT || attempt == TRIES) {
                        throw e;
                    }
                }
            }
        } catch (KubernetesClientException e) {
            throw new IOException(
                    "the Secret %s/%s with the certificate cannot be read or written: %s"
                            .formatted(namespace, secretName, e.getMessage()),
                    e);
        }
    }

    private @Nullable TlsState read(Secret secret) {
        try {
            return TlsState.read(secret.getData());
        } catch (GeneralSecurityException e) {
            LOG.warn("Secret {}/{} is made anew: {}", namespace, secretName, e.getMessage());
            return null;
        }
    }

    private void write(@Nullable Secret found, TlsState state) throws GeneralSecurityException {
        if (found == null) {
            client.resource(new SecretBuilder()
                            .withNewMetadata()
                            .withName(secretName)
                            .withNamespace(namespace)
                            .addToLabels(Names.MANAGED_BY_LABEL, Names.MANAGED_BY)
                            .endMetadata()
                            .withType("Opaque")
                            .withData(state.data())
                            .build())
                    .create();
            return;
        }
        // the resource version that was read goes along: the API server refuses if another replica was faster
        client.resource(new SecretBuilder(found).addToData(state.data()).build())
                .update();
    }

    private String authorityName() {
        return "thaw " + secretName;
    }
}
