package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import mockwebserver3.MockResponse;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What goes wrong, how often it is tried again, and what is said about it. */
class FailureTest {
    private static final String SECRET = "correct-horse-battery";

    private final FakeRegistry registry = FakeRegistry.start();
    private final RegistryClient client = new RegistryClient(registry.settings(), CredentialSource.anonymous());
    private final Reference tagged = registry.repository("team/app").withTag("v1");
    private final ImageIndex index = ImageIndex.of(List.of(), Map.of());

    @AfterEach
    void close() {
        client.close();
        registry.close();
    }

    @Test
    void triesAgainAfterAPassingFailure() throws Exception {
        registry.addManifest("team/app", "v1", index);
        for (var status : new int[] {500, 502, 503, 504, 429}) {
            registry.fail(2, "GET", "", status);
            assertThat(client.manifest(tagged)).isEqualTo(index);
        }
        registry.hangUp(1, "GET", "");
        assertThat(client.manifest(tagged)).isEqualTo(index);
    }

    @Test
    void triesAsOftenAsTheSettingsSay() {
        registry.fail(100, "GET", "", 503);
        assertThatThrownBy(() -> client.manifest(tagged)).isInstanceOf(RegistryException.Unavailable.class);
        assertThat(registry.requests()).hasSize(4);
    }

    @Test
    void doesNotTryAgainWhatWillNotChange() {
        for (var status : new int[] {400, 403, 404, 405}) {
            registry.forgetRequests();
            registry.fail(1, "GET", "", status);
            assertThatThrownBy(() -> client.manifest(tagged)).isInstanceOf(RegistryException.class);
            assertThat(registry.requests()).hasSize(1);
        }
    }

    @Test
    void waitsAsLongAsItIsAskedTo() throws Exception {
        registry.addManifest("team/app", "v1", index);
        registry.fail(1, "GET", "", 429, "Retry-After", "1");
        var start = System.nanoTime();
        try (var patient = new RegistryClient(
                registry.settings().withRetries(2, Duration.ofMillis(1), Duration.ofSeconds(5)),
                CredentialSource.anonymous())) {
            assertThat(patient.manifest(tagged)).isEqualTo(index);
        }
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isGreaterThan(Duration.ofMillis(700));
    }

    @Test
    void takesAPauseForOverThatOnlyAMomentIsLeftOf() throws Exception {
        registry.addManifest("team/app", "v1", index);
        registry.fail(1, "GET", "", 429, "Retry-After", "60");
        var now = new AtomicReference<>(Instant.EPOCH);
        try (var asking = new RegistryClient(registry.settings(), CredentialSource.anonymous(), now::get)) {
            assertThatThrownBy(() -> asking.manifest(tagged)).isInstanceOf(RegistryException.RateLimited.class);

            now.set(Instant.EPOCH.plusSeconds(59));
            assertThatThrownBy(() -> asking.manifest(tagged)).hasMessageContaining("another 1000 ms");
            now.set(Instant.EPOCH.plusSeconds(60).minusMillis(5));
            assertThat(asking.manifest(tagged)).isEqualTo(index);
        }
    }

    @Test
    void leavesALongWaitToTheCaller() {
        registry.fail(1, "GET", "", 429, "Retry-After", "3600");
        assertThatThrownBy(() -> client.manifest(tagged))
                .isInstanceOfSatisfying(RegistryException.RateLimited.class, e -> {
                    assertThat(e.retryAfter()).hasValue(Duration.ofHours(1));
                    assertThat(e.isTransient()).isTrue();
                    assertThat(e.status()).hasValue(429);
                });
    }

    @Test
    void understandsADateAsTheEndOfAWait() {
        var date = DateTimeFormatter.RFC_1123_DATE_TIME.format(
                ZonedDateTime.now(ZoneOffset.UTC).plusMinutes(10));
        registry.fail(1, "GET", "", 503, "Retry-After", date);
        assertThatThrownBy(() -> client.manifest(tagged))
                .isInstanceOfSatisfying(
                        RegistryException.Unavailable.class,
                        e -> assertThat(e.retryAfter().orElseThrow())
                                .isBetween(Duration.ofMinutes(9), Duration.ofMinutes(10)));
    }

    @Test
    void saysWhatWasTriedOnWhatWhatCameBackAndWhatToDo() {
        assertThatThrownBy(() -> client.manifest(tagged))
                .isInstanceOf(RegistryException.NotFound.class)
                .hasMessage("cannot pull the manifest of " + tagged + ": GET http://" + registry.host()
                        + "/v2/team/app/manifests/v1 answered 404 (MANIFEST_UNKNOWN: manifest unknown); check the name;"
                        + " a private repository may also be hidden this way");
    }

    @Test
    void tellsTheKindsOfFailureApart() {
        var kinds = Map.of(
                401, RegistryException.Unauthorized.class,
                403, RegistryException.Denied.class,
                404, RegistryException.NotFound.class,
                405, RegistryException.Denied.class,
                429, RegistryException.RateLimited.class,
                500, RegistryException.Unavailable.class,
                418, RegistryException.Invalid.class);
        kinds.forEach((status, kind) -> {
            registry.heal();
            registry.fail(4, "DELETE", "", status);
            assertThatThrownBy(() -> client.deleteManifest(tagged))
                    .as(String.valueOf(status))
                    .isInstanceOf(kind)
                    .isInstanceOfSatisfying(
                            RegistryException.class, e -> assertThat(e.status()).hasValue(status));
        });
    }

    @Test
    void saysThatNobodyListens() throws Exception {
        int port;
        try (var free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        var host = "127.0.0.1:" + port;
        try (var alone = new RegistryClient(registry.settings().withPlainHttp(host), CredentialSource.anonymous())) {
            assertThatThrownBy(() -> alone.manifest(Reference.parse(host + "/a:v1")))
                    .isInstanceOf(RegistryException.Unavailable.class)
                    .hasMessageContaining("got no answer from " + host)
                    .hasMessageContaining("check that the registry runs");
        }
    }

    @Test
    void saysThatARegistrySpeaksPlainHttp() throws Exception {
        try (var plain = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"));
                var threads = Executors.newVirtualThreadPerTaskExecutor();
                var strict = new RegistryClient(registry.settings(), CredentialSource.anonymous())) {
            threads.submit(() -> {
                // What Go's server, and so most registries, say to a TLS greeting.
                try (var socket = plain.accept()) {
                    socket.getInputStream().read();
                    socket.getOutputStream()
                            .write("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request"
                                    .getBytes(StandardCharsets.UTF_8));
                }
                return true;
            });
            var there = Reference.parse("127.0.0.1:" + plain.getLocalPort() + "/a:v1");
            assertThatThrownBy(() -> strict.manifest(there))
                    .isInstanceOfSatisfying(
                            RegistryException.Unavailable.class,
                            e -> assertThat(e.isTransient()).isFalse())
                    .hasMessageContaining("plain HTTP");
        }
    }

    @Test
    void trustsAGivenAuthorityAndNoOther(@TempDir Path folder) throws Exception {
        try (var secure = FakeRegistry.startTls()) {
            secure.addManifest("a/b", "v1", index);
            var there = secure.repository("a/b").withTag("v1");
            try (var trusting = new RegistryClient(secure.settings(), CredentialSource.anonymous())) {
                assertThat(trusting.manifest(there)).isEqualTo(index);
            }
            var pem = secure.authorityPem();
            try (var trusting = new RegistryClient(
                    RegistrySettings.defaults().withAuthorities(pem), CredentialSource.anonymous())) {
                assertThat(trusting.manifest(there)).isEqualTo(index);
            }
            var file = Files.writeString(folder.resolve("ca.pem"), pem);
            assertThat(RegistrySettings.defaults().withAuthorities(file).authorities())
                    .hasSize(1);
            assertThatThrownBy(() -> RegistrySettings.defaults().withAuthorities("nonsense"))
                    .isInstanceOf(IllegalArgumentException.class);
            try (var strict = new RegistryClient(RegistrySettings.defaults(), CredentialSource.anonymous())) {
                assertThatThrownBy(() -> strict.manifest(there))
                        .isInstanceOfSatisfying(
                                RegistryException.Unavailable.class,
                                e -> assertThat(e.isTransient()).isFalse())
                        .hasMessageContaining("give its certificate");
            }
        }
    }

    @Test
    void endsACallThatTakesTooLong() {
        registry.answer(
                10,
                "GET",
                "",
                new MockResponse.Builder()
                        .headersDelay(5, TimeUnit.SECONDS)
                        .body("{}")
                        .build());
        var hasty = registry.settings()
                .withRetries(0, Duration.ofMillis(1), Duration.ofMillis(2))
                .withTimeouts(Duration.ofSeconds(1), Duration.ofSeconds(10), Duration.ofMillis(200));
        try (var client = new RegistryClient(hasty, CredentialSource.anonymous())) {
            assertThatThrownBy(() -> client.manifest(tagged)).isInstanceOf(RegistryException.Unavailable.class);
        }
    }

    @Test
    void stopsWhenItsThreadIsInterrupted() throws Exception {
        registry.fail(1000, "GET", "", 503);
        var settings = registry.settings().withRetries(100, Duration.ofSeconds(10), Duration.ofSeconds(20));
        try (var client = new RegistryClient(settings, CredentialSource.anonymous())) {
            var failure = new java.util.concurrent.CompletableFuture<Exception>();
            var thread = Thread.ofVirtual().start(() -> {
                try {
                    client.manifest(tagged);
                } catch (Exception e) {
                    failure.complete(
                            Thread.currentThread().isInterrupted() ? e : new Exception("the flag was lost", e));
                }
            });
            while (registry.requests().isEmpty()) {
                Thread.sleep(5);
            }
            thread.interrupt();
            assertThat(failure.get(10, TimeUnit.SECONDS)).isInstanceOf(InterruptedIOException.class);
        }
    }

    @Test
    void refusesAManifestWithAnotherDigest() {
        var digest = registry.addManifest("team/app", null, index);
        registry.tamper(1, "/manifests/");
        assertThatThrownBy(() -> client.manifest(tagged.withDigest(digest)))
                .isInstanceOf(RegistryException.Invalid.class)
                .hasMessageContaining("damaged or forged");
    }

    @Test
    void takesTheRegistrysWordForADigestOnlyAsAHint() throws Exception {
        registry.addManifest("team/app", "v1", index);
        registry.namesDigest("sha256:" + "0".repeat(64));
        assertThat(client.manifest(tagged).digest()).isEqualTo(index.digest());
        registry.namesDigest("nonsense");
        assertThat(client.resolve(tagged)).isEqualTo(index.digest());
    }

    @Test
    void resolvesWhereHeadIsRefused() throws Exception {
        registry.addManifest("team/app", "v1", index);
        registry.refusesHead();
        assertThat(client.resolve(tagged)).isEqualTo(index.digest());
        assertThatThrownBy(() -> client.resolve(tagged.withTag("v2"))).isInstanceOf(RegistryException.NotFound.class);
    }

    @Test
    void refusesSchema1AndDocumentsThatAreTooLarge() {
        registry.addManifest(
                "team/app",
                "v1",
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
                "{\"schemaVersion\":1}".getBytes(StandardCharsets.UTF_8));
        assertThatThrownBy(() -> client.manifest(tagged))
                .isInstanceOf(RegistryException.Invalid.class)
                .hasMessageContaining("Docker schema 1");
        registry.addManifest("team/app", "v1", MediaTypes.OCI_INDEX, new byte[Document.MAX_BYTES + 1]);
        assertThatThrownBy(() -> client.manifest(tagged)).hasMessageContaining("larger than");
    }

    @Test
    void deletesAManifest() throws Exception {
        var digest = registry.addManifest("team/app", null, index);
        client.deleteManifest(tagged.withDigest(digest));
        assertThat(registry.manifest("team/app", digest.toString())).isEmpty();
        registry.refusesDeletion();
        assertThatThrownBy(() -> client.deleteManifest(tagged.withDigest(digest)))
                .isInstanceOf(RegistryException.Denied.class)
                .hasMessageContaining("deletion is switched off");
    }

    @Test
    void repeatsNoSecretThatAServerRepeats() {
        registry.wantsBasic("me", SECRET);
        for (var echo :
                new String[] {SECRET, "me:" + SECRET, Authorization.basicHeader(new Credential.Basic("me", SECRET))}) {
            registry.fail(1, "GET", "", 401, "WWW-Authenticate", "Basic realm=\"x\"");
            registry.answer(
                    1,
                    "GET",
                    "",
                    new MockResponse.Builder()
                            .code(400)
                            .body("{\"errors\":[{\"code\":\"BAD\",\"message\":\"you sent " + echo + "\"}]}")
                            .build());
            try (var known = new RegistryClient(
                    registry.settings(), (host, path) -> Optional.of(new Credential.Basic("me", SECRET)))) {
                assertThatThrownBy(() -> known.manifest(tagged))
                        .isInstanceOf(RegistryException.Invalid.class)
                        .hasMessageContaining("you sent …")
                        .hasMessageNotContaining(SECRET);
            }
        }
    }

    @Test
    void showsNoQueryOfAUrl() {
        var blob = registry.addBlob("team/app", "x/y", new byte[100]);
        registry.redirectsBlobs().signs("X-Amz-Signature=" + SECRET);
        registry.failStorage(100, 403);
        assertThatThrownBy(() -> client.blob(tagged, blob))
                .isInstanceOf(RegistryException.Denied.class)
                .hasMessageContaining(registry.storageHost())
                .hasMessageNotContaining(SECRET);
    }

    @Test
    void keepsControlCharactersOutOfMessages() {
        registry.answer(
                1,
                "GET",
                "",
                new MockResponse.Builder()
                        .code(400)
                        .body("{\"errors\":[{\"code\":\"BAD\",\"message\":\"a\\nb\\u001b[31m" + "x".repeat(2000)
                                + "\"}]}")
                        .build());
        assertThatThrownBy(() -> client.manifest(tagged)).satisfies(e -> {
            assertThat(e.getMessage()).doesNotContain("\n").doesNotContain("\u001b");
            assertThat(e.getMessage()).hasSizeLessThan(700);
        });
    }
}
