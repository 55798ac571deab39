package dev.thaw.oci;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import okhttp3.ConnectionPool;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Sends single requests: connections, TLS, deadlines. Knows nothing of registries and follows no redirect. */
final class Transport implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Transport.class);

    /** A connection slower than this is broken. */
    private static final long SLOWEST_BYTES_PER_SECOND = 64 << 10;

    private static final int IDLE_CONNECTIONS = 32;

    private final OkHttpClient client;
    private final OkHttpClient patient;
    private final String userAgent;
    private final Duration callTimeout;

    Transport(RegistrySettings settings) {
        var builder = new OkHttpClient.Builder()
                .followRedirects(false)
                .followSslRedirects(false)
                // One request at a time on a connection: one that stalls takes no other along, and who bounds requests
                // bounds connections.
                .protocols(List.of(Protocol.HTTP_1_1))
                .connectionPool(new ConnectionPool(IDLE_CONNECTIONS, 5, TimeUnit.MINUTES))
                .connectTimeout(settings.connectTimeout())
                .readTimeout(settings.readTimeout())
                .writeTimeout(settings.readTimeout());
        if (!settings.authorities().isEmpty()) {
            trust(builder, settings.authorities());
        }
        client = builder.build();
        patient = client.newBuilder().readTimeout(settings.commitTimeout()).build();
        userAgent = settings.userAgent();
        callTimeout = settings.callTimeout();
    }

    /** The deadline of a call that carries this much content in either direction. */
    Duration deadline(long contentBytes) {
        return callTimeout.plusSeconds(contentBytes / SLOWEST_BYTES_PER_SECOND);
    }

    /** Any answer at all is returned; the caller closes it. */
    Response send(Action action, Request request, Duration deadline) throws IOException {
        return send(client, action, request, deadline);
    }

    /** For requests whose answer takes its time, since the registry works before it answers. */
    Response sendPatiently(Action action, Request request, Duration deadline) throws IOException {
        return send(patient, action, request, deadline.plusMillis(patient.readTimeoutMillis()));
    }

    private Response send(OkHttpClient with, Action action, Request request, Duration deadline) throws IOException {
        if (Thread.currentThread().isInterrupted()) {
            throw action.interrupted();
        }
        var call = with.newCall(
                request.newBuilder().header("User-Agent", userAgent).build());
        call.timeout().timeout(deadline.toMillis(), TimeUnit.MILLISECONDS);
        var start = System.nanoTime();
        try {
            var response = call.execute();
            LOG.debug(
                    "{} answered {} after {} ms",
                    Action.line(request),
                    response.code(),
                    (System.nanoTime() - start) / 1_000_000);
            return response;
        } catch (IOException e) {
            if (Thread.currentThread().isInterrupted()) {
                throw action.interrupted();
            }
            throw action.unreachable(request, e);
        }
    }

    private static void trust(OkHttpClient.Builder builder, List<X509Certificate> more) {
        try {
            var union = KeyStore.getInstance(KeyStore.getDefaultType());
            union.load(null, null);
            var number = 0;
            for (var authority : trustManager(null).getAcceptedIssuers()) {
                union.setCertificateEntry("system-" + number++, authority);
            }
            for (var authority : more) {
                union.setCertificateEntry("given-" + number++, authority);
            }
            var trusted = trustManager(union);
            var context = SSLContext.getInstance("TLS");
            context.init(null, new TrustManager[] {trusted}, null);
            builder.sslSocketFactory(context.getSocketFactory(), trusted);
        } catch (GeneralSecurityException | IOException e) {
            throw new IllegalStateException("the given authorities cannot be added to the system's", e);
        }
    }

    private static X509TrustManager trustManager(@Nullable KeyStore authorities) throws GeneralSecurityException {
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(authorities);
        for (var manager : factory.getTrustManagers()) {
            if (manager instanceof X509TrustManager trusted) {
                return trusted;
            }
        }
        throw new IllegalStateException("this Java platform has no X.509 trust manager");
    }

    @Override
    public void close() {
        client.dispatcher().cancelAll();
        client.dispatcher().executorService().shutdown();
        client.connectionPool().evictAll();
    }
}
