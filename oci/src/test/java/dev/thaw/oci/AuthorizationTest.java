package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import mockwebserver3.MockResponse;
import okhttp3.HttpUrl;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Who we say we are, to whom, and when again. */
class AuthorizationTest {
    private static final String SECRET = "correct-horse-battery";
    private static final byte[] CONTENT = "content".getBytes(StandardCharsets.UTF_8);

    private final FakeRegistry registry = FakeRegistry.start();
    private final FakeClock clock = new FakeClock();
    private final Reference repository = registry.repository("team/app");
    private final Digest blob = registry.addBlob("team/app", CONTENT);
    private final Descriptor descriptor = Descriptor.of("x/y", CONTENT);

    @AfterEach
    void close() {
        registry.close();
    }

    private RegistryClient client(CredentialSource credentials) {
        return new RegistryClient(registry.settings(), credentials, clock);
    }

    private RegistryClient client(Credential credential) {
        return client((host, path) -> host.equals(registry.host()) ? Optional.of(credential) : Optional.empty());
    }

    private byte[] pull(RegistryClient client) throws Exception {
        return client.blobBytes(repository, descriptor, 100);
    }

    @Test
    void saysNothingToARegistryThatDoesNotAsk() throws Exception {
        try (var client = client(new Credential.Basic("me", SECRET))) {
            pull(client);
        }
        assertThat(registry.requests())
                .allSatisfy(seen -> assertThat(seen.header("Authorization")).isNull());
    }

    @Test
    void sendsABasicCredentialOnceAskedAndThenAtOnce() throws Exception {
        registry.wantsBasic("me", SECRET);
        try (var client = client(new Credential.Basic("me", SECRET))) {
            pull(client);
            pull(client);
        }
        assertThat(registry.requests()).hasSize(3);
        assertThat(registry.requests().get(0).header("Authorization")).isNull();
        assertThat(registry.requests().get(2).header("Authorization")).startsWith("Basic ");
    }

    @Test
    void getsAnAnonymousTokenForPulling() throws Exception {
        registry.wantsTokens("me", SECRET);
        try (var client = client(CredentialSource.anonymous())) {
            assertThat(pull(client)).isEqualTo(CONTENT);
        }
        var token = registry.requests("GET", "/token").getFirst();
        assertThat(token.header("Authorization")).isNull();
        assertThat(parameters(token).queryParameterValues("scope")).containsExactly("repository:team/app:pull");
        assertThat(parameters(token).queryParameter("service")).isEqualTo("fake.registry");
    }

    @Test
    void asksForPushOnlyWhenPushing() throws Exception {
        registry.wantsTokens("me", SECRET);
        try (var client = client(new Credential.Basic("me", SECRET))) {
            pull(client);
            client.push(repository, Digest.sha256(new byte[5]), new byte[5]);
        }
        assertThat(registry.requests("GET", "/token"))
                .extracting(seen -> parameters(seen).queryParameter("scope"))
                .containsExactly("repository:team/app:pull", "repository:team/app:pull,push");
        assertThat(parameters(registry.requests("GET", "/token").getLast()).queryParameter("account"))
                .isEqualTo("me");
    }

    @Test
    void usesATokenForPushingToPullToo() throws Exception {
        registry.wantsTokens("me", SECRET);
        try (var client = client(new Credential.Basic("me", SECRET))) {
            client.push(repository, Digest.sha256(new byte[5]), new byte[5]);
            pull(client);
        }
        assertThat(registry.requests("GET", "/token")).hasSize(1);
    }

    @Test
    void asksForBothRepositoriesWhenMounting() throws Exception {
        registry.wantsTokens("me", SECRET);
        try (var client = client(new Credential.Basic("me", SECRET))) {
            assertThat(client.mount(registry.repository("team/other"), blob, "team/app"))
                    .isTrue();
        }
        assertThat(parameters(registry.requests("GET", "/token").getFirst()).queryParameterValues("scope"))
                .containsExactlyInAnyOrder("repository:team/app:pull", "repository:team/other:pull,push");
    }

    @Test
    void keepsATokenUntilShortlyBeforeItEnds() throws Exception {
        registry.wantsTokens("me", SECRET).tokensLive(Duration.ofSeconds(120));
        try (var client = client(CredentialSource.anonymous())) {
            pull(client);
            clock.pass(Duration.ofSeconds(95));
            pull(client);
            assertThat(registry.requests("GET", "/token")).hasSize(1);
            clock.pass(Duration.ofSeconds(10));
            pull(client);
            assertThat(registry.requests("GET", "/token")).hasSize(2);
            // Renewed before use: only the very first request was refused.
            assertThat(registry.requests("GET", "/blobs/")).hasSize(4);
        }
    }

    @Test
    void getsANewTokenWhenTheOldOneIsRefused() throws Exception {
        registry.wantsTokens("me", SECRET);
        try (var client = client(new Credential.Basic("me", SECRET))) {
            pull(client);
            registry.revokeTokens();
            assertThat(pull(client)).isEqualTo(CONTENT);
        }
        assertThat(registry.requests("GET", "/token")).hasSize(2);
    }

    @Test
    void givesUpAfterOneFreshTokenWasRefused() {
        registry.wantsTokens("me", SECRET);
        registry.fail(
                100,
                "GET",
                "/blobs/",
                401,
                "WWW-Authenticate",
                "Bearer realm=\"http://" + registry.host() + "/token\"");
        try (var client = client(new Credential.Basic("me", SECRET))) {
            assertThatThrownBy(() -> pull(client)).isInstanceOf(RegistryException.Unauthorized.class);
        }
        assertThat(registry.requests("GET", "/blobs/")).hasSize(2);
    }

    @Test
    void exchangesAnIdentityTokenByPost() throws Exception {
        registry.takesIdentityToken(SECRET);
        try (var client = client(new Credential.IdentityToken(SECRET))) {
            client.push(repository, Digest.sha256(new byte[5]), new byte[5]);
        }
        var post = registry.requests("POST", "/token").getFirst();
        assertThat(post.query()).isNull();
        assertThat(new String(post.body(), StandardCharsets.UTF_8))
                .contains("grant_type=refresh_token", "refresh_token=" + SECRET, "client_id=thaw");
    }

    @Test
    void saysThatAnIdentityTokenHasEndedWithoutShowingIt() {
        registry.takesIdentityToken("another");
        for (var status : new int[] {400, 418}) {
            registry.answer(
                    1,
                    "POST",
                    "/token",
                    new MockResponse.Builder()
                            .code(status)
                            .body("{\"error\":\"invalid_grant\",\"error_description\":\"not " + SECRET + "\"}")
                            .build());
            try (var client = client(new Credential.IdentityToken(SECRET))) {
                assertThatThrownBy(() -> pull(client))
                        .isInstanceOf(
                                status == 400 ? RegistryException.Unauthorized.class : RegistryException.Invalid.class)
                        .hasMessageNotContaining(SECRET);
            }
        }
    }

    @Test
    void sendsARegistryTokenAsItIs() throws Exception {
        registry.wantsTokens("me", SECRET);
        registry.fail(1, "GET", "/blobs/", 401, "WWW-Authenticate", "Bearer realm=\"http://x.invalid/token\"");
        try (var client = client(new Credential.RegistryToken("ready-made"))) {
            registry.answer(
                    1,
                    "GET",
                    "/blobs/",
                    new MockResponse.Builder().body("content").build());
            pull(client);
        }
        assertThat(registry.requests("GET", "/token")).isEmpty();
        assertThat(registry.requests("GET", "/blobs/").getLast().header("Authorization"))
                .isEqualTo("Bearer ready-made");
    }

    @Test
    void asksTheSourceAgainWhenItsCredentialIsRefused() throws Exception {
        registry.wantsTokens("me", "new-password");
        var refused = new CopyOnWriteArrayList<Credential>();
        var source = new CredentialSource() {
            @Override
            public Optional<Credential> credential(String registryHost, String path) {
                return Optional.of(new Credential.Basic("me", refused.isEmpty() ? "old-password" : "new-password"));
            }

            @Override
            public void refused(String registryHost, String path, Credential credential) {
                refused.add(credential);
            }
        };
        try (var client = client(source)) {
            assertThat(pull(client)).isEqualTo(CONTENT);
        }
        assertThat(refused).containsExactly(new Credential.Basic("me", "old-password"));
    }

    @Test
    void asksTheSourceAgainWhenABasicPasswordHasEnded() throws Exception {
        registry.wantsBasic("me", "new-password");
        var refused = new CopyOnWriteArrayList<Credential>();
        var source = new CredentialSource() {
            @Override
            public Optional<Credential> credential(String registryHost, String path) {
                return Optional.of(new Credential.Basic("me", refused.isEmpty() ? "old-password" : "new-password"));
            }

            @Override
            public void refused(String registryHost, String path, Credential credential) {
                refused.add(credential);
            }
        };
        try (var client = client(source)) {
            assertThat(pull(client)).isEqualTo(CONTENT);
        }
    }

    @Test
    void saysThatTheCredentialIsWrong() {
        registry.wantsTokens("me", SECRET);
        try (var client = client(new Credential.Basic("me", "wrong-" + SECRET))) {
            assertThatThrownBy(() -> pull(client))
                    .isInstanceOf(RegistryException.Unauthorized.class)
                    .hasMessageContaining("token server answered 401")
                    .hasMessageContaining("check the credential")
                    .hasMessageNotContaining(SECRET);
        }
    }

    @Test
    void saysThatACredentialIsNeeded() {
        registry.wantsBasic("me", SECRET);
        try (var client = client(CredentialSource.anonymous())) {
            assertThatThrownBy(() -> pull(client))
                    .isInstanceOf(RegistryException.Unauthorized.class)
                    .hasMessageContaining("team/app")
                    .hasMessageContaining("give a credential");
        }
    }

    @Test
    void saysThatAChallengeIsUnknown() {
        registry.fail(1, "GET", "/blobs/", 401, "WWW-Authenticate", "Negotiate");
        try (var client = client(new Credential.Basic("me", SECRET))) {
            assertThatThrownBy(() -> pull(client))
                    .isInstanceOf(RegistryException.Unauthorized.class)
                    .hasMessageContaining("without a challenge that we know");
        }
    }

    @Test
    void prefersATokenWhereBothAreOffered() throws Exception {
        registry.wantsTokens("me", SECRET);
        registry.fail(
                1,
                "GET",
                "/blobs/",
                401,
                "WWW-Authenticate",
                "Basic realm=\"x\", Bearer realm=\"http://" + registry.host() + "/token\",service=\"s\"");
        try (var client = client(new Credential.Basic("me", SECRET))) {
            assertThat(pull(client)).isEqualTo(CONTENT);
        }
        assertThat(registry.requests("GET", "/token")).hasSize(1);
    }

    @Test
    void doesNotSendACredentialInTheClearToATokenServer() {
        try (var secure = FakeRegistry.startTls();
                var plain = FakeRegistry.start()) {
            secure.wantsTokens("me", SECRET).namesTokenServer("http://" + plain.host() + "/token?secret=1");
            try (var client = new RegistryClient(
                    secure.settings(), (host, path) -> Optional.of(new Credential.Basic("me", SECRET)))) {
                assertThatThrownBy(() -> client.resolve(secure.repository("a/b").withTag("x")))
                        .isInstanceOf(RegistryException.Unauthorized.class)
                        .hasMessageContaining("without TLS")
                        .hasMessageNotContaining("secret=1");
            }
            assertThat(plain.requests()).isEmpty();
        }
    }

    @Test
    void getsOneTokenForManyThreads() throws Exception {
        registry.wantsTokens("me", SECRET);
        try (var client = client(CredentialSource.anonymous());
                var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var pulls = new java.util.ArrayList<Future<byte[]>>();
            for (var i = 0; i < 20; i++) {
                pulls.add(threads.submit(() -> pull(client)));
            }
            for (var pull : pulls) {
                assertThat(pull.get()).isEqualTo(CONTENT);
            }
        }
        assertThat(registry.requests("GET", "/token")).hasSize(1);
    }

    @Test
    void refusesATokenThatWouldBreakAHeader() {
        registry.wantsTokens("me", SECRET);
        registry.answer(
                1,
                "GET",
                "/token",
                new MockResponse.Builder()
                        .body("{\"token\":\"a\\r\\nX-Evil: 1\"}")
                        .build());
        try (var client = client(CredentialSource.anonymous())) {
            assertThatThrownBy(() -> pull(client))
                    .isInstanceOf(RegistryException.Invalid.class)
                    .hasMessageContaining("no usable token");
        }
    }

    @Test
    void tellsScopesApart() {
        var pull = Scope.pull(repository);
        var push = Scope.push(repository);
        assertThat(push.covers(pull)).isTrue();
        assertThat(pull.covers(push)).isFalse();
        assertThat(push.covers(Scope.pull(registry.repository("other")))).isFalse();
        assertThat(Scope.mount(repository, "from/there").parameters())
                .containsExactly("repository:from/there:pull", "repository:team/app:pull,push");
        assertThat(Scope.parse("repository:a/b:pull,push registry:catalog:* nonsense :x"))
                .hasToString("registry:catalog:* repository:a/b:pull,push");
        assertThat(Scope.parse("")).isEqualTo(new Scope(new java.util.TreeMap<>(Map.of())));
        assertThat(Scope.parse("repository:localhost:5000/a:pull").parameters())
                .isEqualTo(List.of("repository:localhost:5000/a:pull"));
    }

    private static HttpUrl parameters(FakeRegistry.Seen seen) {
        return HttpUrl.get("http://parameters/?" + seen.query());
    }
}
