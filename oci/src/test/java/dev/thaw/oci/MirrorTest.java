package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Mirrors come first, are not trusted, and never matter when they fail. */
class MirrorTest {
    private static final byte[] CONTENT = new byte[50_000];

    static {
        new SplittableRandom(1).nextBytes(CONTENT);
    }

    private final FakeRegistry origin = FakeRegistry.start();
    private final FakeRegistry mirror = FakeRegistry.start();
    private final FakeClock clock = new FakeClock();
    private final Reference repository = origin.repository("team/app");
    private final Descriptor blob = origin.addBlob("team/app", "x/y", CONTENT);
    private final ImageIndex index = ImageIndex.of(List.of(), Map.of());
    private RegistryClient client;

    @BeforeEach
    void open() {
        origin.wantsTokens("me", "origin-password");
        origin.addManifest("team/app", "v1", index);
        client = client(false);
    }

    private RegistryClient client(boolean resolvesTags) {
        var endpoint = new Mirror(URI.create("http://" + mirror.host()), Map.of("X-Mirror", "yes"), resolvesTags);
        return client(new Mirrors(List.of(endpoint), true));
    }

    private RegistryClient client(Mirrors mirrors) {
        return new RegistryClient(
                origin.settings().withMirrors(origin.host(), mirrors),
                (host, path) -> host.equals(origin.host())
                        ? Optional.of(new Credential.Basic("me", "origin-password"))
                        : Optional.empty(),
                clock);
    }

    @AfterEach
    void close() {
        client.close();
        origin.close();
        mirror.close();
    }

    private byte[] pull() throws Exception {
        return client.blobBytes(repository, blob, CONTENT.length);
    }

    @Test
    void servesWhatTheOriginNeedNot() throws Exception {
        mirror.addBlob("team/app", CONTENT);
        assertThat(pull()).isEqualTo(CONTENT);
        assertThat(origin.requests()).isEmpty();
        var asked = mirror.requests().getFirst();
        assertThat(asked.query()).isEqualTo("ns=" + origin.host().replace(":", "%3A"));
        assertThat(asked.header("X-Mirror")).isEqualTo("yes");
        try (var range = client.range(repository, blob.digest(), 5, 5)) {
            assertThat(range.isFromMirror()).isTrue();
            assertThat(range.source()).contains(mirror.host());
        }
    }

    @Test
    void givesWayToTheOriginWhenItDoesNotHaveIt() throws Exception {
        assertThat(pull()).isEqualTo(CONTENT);
        assertThat(pull()).isEqualTo(CONTENT);
        assertThat(mirror.requests()).hasSize(2);
        assertThat(origin.requests())
                .allSatisfy(seen -> assertThat(seen.header("X-Mirror")).isNull());
    }

    @Test
    void neverSeesTheOriginsCredential() throws Exception {
        mirror.addBlob("team/app", CONTENT);
        mirror.wantsTokens("other", "mirror-password");
        pull();
        mirror.wantsBasic("other", "mirror-password");
        clock.pass(Duration.ofHours(2));
        pull();
        assertThat(origin.requests()).isNotEmpty();
        assertThat(mirror.requests())
                .allSatisfy(seen ->
                        assertThat(String.valueOf(seen.header("Authorization"))).doesNotStartWith("Basic"));
    }

    @Test
    void restsAfterAFailureAndComesBackOnceItIsWell() throws Exception {
        mirror.addBlob("team/app", CONTENT);
        mirror.fail(2, "GET", "", 503);
        pull();
        pull();
        assertThat(mirror.requests()).hasSize(1);

        clock.pass(Duration.ofSeconds(31));
        pull();
        await().until(() -> looks() == 1);
        await().untilAsserted(() -> {
            clock.pass(Duration.ofSeconds(31));
            pull();
            assertThat(looks()).isEqualTo(2);
        });
        await().untilAsserted(() -> {
            origin.forgetRequests();
            pull();
            assertThat(origin.requests("GET", "/blobs/")).isEmpty();
        });
        assertThat(looks()).isEqualTo(2);
        assertThat(mirror.requests())
                .allSatisfy(seen -> assertThat(seen.header("X-Mirror")).isEqualTo("yes"));
    }

    private long looks() {
        return mirror.requests().stream()
                .filter(seen -> seen.path().equals("/v2/"))
                .count();
    }

    @Test
    void isLookedAtWhereItsHealthIsSaidToBe() throws Exception {
        var health = new Mirror.Health("/healthz", Duration.ofSeconds(5));
        var endpoint = new Mirror(URI.create("http://" + mirror.host()), Map.of(), false, health);
        mirror.addBlob("team/app", CONTENT);
        mirror.fail(1, "GET", "", 503);
        try (var looking = client(new Mirrors(List.of(endpoint), true))) {
            looking.blobBytes(repository, blob, CONTENT.length);
            clock.pass(Duration.ofSeconds(6));
            looking.blobBytes(repository, blob, CONTENT.length);
            await().until(() -> !mirror.requests("GET", "/healthz").isEmpty());
        }
    }

    @Test
    void isAllThereIsWhereTheRegistryMustNotBeAsked() throws Exception {
        var endpoint = new Mirror(URI.create("http://" + mirror.host()));
        try (var closed = client(new Mirrors(List.of(endpoint), false))) {
            assertThatThrownBy(() -> closed.blobBytes(repository, blob, CONTENT.length))
                    .isInstanceOf(RegistryException.NotFound.class)
                    .hasMessageContaining(mirror.host());
            mirror.addBlob("team/app", CONTENT);
            mirror.fail(1, "GET", "", 503);
            assertThatThrownBy(() -> closed.rangeOnce(repository, blob.digest(), 0, 10, 1))
                    .isInstanceOf(RegistryException.Unavailable.class);
            assertThat(closed.blobBytes(repository, blob, CONTENT.length)).isEqualTo(CONTENT);
            mirror.addManifest("team/app", "v1", index);
            assertThat(closed.resolve(repository.withTag("v1"))).isEqualTo(index.digest());
        }
        assertThat(origin.requests()).isEmpty();
    }

    @Test
    void mayStandForEveryRegistry() throws Exception {
        mirror.addBlob("team/app", CONTENT);
        var endpoint = new Mirror(URI.create("http://" + mirror.host()));
        try (var any = new RegistryClient(
                origin.settings().withMirrors(Mirrors.EVERY_HOST, List.of(endpoint)), CredentialSource.anonymous())) {
            assertThat(any.blobBytes(repository, blob, CONTENT.length)).isEqualTo(CONTENT);
        }
        assertThat(origin.requests()).isEmpty();
    }

    @Test
    void isOneOfTheWaysThatARangeCanGo() throws Exception {
        mirror.addBlob("team/app", CONTENT);
        try (var first = client.rangeOnce(repository, blob.digest(), 5, 10, 0);
                var second = client.rangeOnce(repository, blob.digest(), 5, 10, 1);
                var third = client.rangeOnce(repository, blob.digest(), 5, 10, 2)) {
            assertThat(List.of(first.isFromMirror(), second.isFromMirror(), third.isFromMirror()))
                    .containsExactly(true, false, true);
            assertThat(second.readAllBytes()).isEqualTo(first.readAllBytes());
        }
    }

    @Test
    void isKnownToBeAwayByAllWhoShareConnections() throws Exception {
        mirror.addBlob("team/app", CONTENT);
        mirror.fail(1, "GET", "", 503);
        var other = client.as(CredentialSource.anonymous());
        pull();
        other.blobBytes(repository, blob, CONTENT.length);
        assertThat(mirror.requests()).hasSize(1);
    }

    @Test
    void mayBeGone() throws Exception {
        mirror.close();
        assertThat(pull()).isEqualTo(CONTENT);
    }

    @Test
    void isLeftInTheMiddleOfABlobThatBreaksOff() throws Exception {
        mirror.addBlob("team/app", CONTENT);
        mirror.cutBody(1, "GET", "", 20_000);
        assertThat(pull()).isEqualTo(CONTENT);
        assertThat(origin.requests("GET", "/blobs/").getLast().header("Range")).isEqualTo("bytes=20000-49999");
    }

    @Test
    void isLeftWhenItsBytesAreWrong() throws Exception {
        mirror.addBlob("team/app", CONTENT);
        mirror.tamper(1, "/blobs/");
        assertThatThrownBy(this::pull).isInstanceOf(RegistryException.Invalid.class);
        assertThat(pull()).isEqualTo(CONTENT);
        assertThat(mirror.requests()).hasSize(1);
    }

    @Test
    void servesManifestsByDigestAndIsChecked() throws Exception {
        mirror.addManifest("team/app", "v1", index);
        assertThat(client.manifest(repository.withDigest(index.digest()))).isEqualTo(index);
        assertThat(origin.requests()).isEmpty();
        mirror.tamper(1, "/manifests/");
        assertThat(client.manifest(repository.withDigest(index.digest()))).isEqualTo(index);
        assertThat(origin.requests()).isNotEmpty();
    }

    @Test
    void isAskedWhatATagMeansOnlyIfThatIsSaid() throws Exception {
        var stale = ImageIndex.of(List.of(), Map.of("stale", "yes"));
        mirror.addManifest("team/app", "v1", stale);
        assertThat(client.manifest(repository.withTag("v1"))).isEqualTo(index);
        assertThat(mirror.requests()).isEmpty();
        try (var trusting = client(true)) {
            assertThat(trusting.resolve(repository.withTag("v1"))).isEqualTo(stale.digest());
        }
    }

    @Test
    void isNeverWrittenTo() throws Exception {
        client.push(repository, Digest.sha256(new byte[1]), new byte[1]);
        client.putManifest(repository.withTag("v2"), index);
        assertThat(mirror.requests()).isEmpty();
    }

    @Test
    void isAnUrlOfAHostAndNothingElse() {
        for (var url : new String[] {"ftp://a", "a", "http://user:pw@a", "http://a?x=1", "http:///x"}) {
            assertThatThrownBy(() -> new Mirror(URI.create(url))).as(url).isInstanceOf(IllegalArgumentException.class);
        }
        var withSecret = new Mirror(URI.create("https://a/cache"), Map.of("X-Key", "hunter2"), false);
        assertThat(withSecret).asString().doesNotContain("hunter2");
        assertThat(Endpoint.mirror(withSecret, "docker.io").blob(Reference.parse("nginx"), blob.digest()))
                .hasToString("https://a/cache/v2/library/nginx/blobs/" + blob.digest() + "?ns=docker.io");
    }
}
