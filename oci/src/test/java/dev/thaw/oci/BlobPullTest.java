package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.SplittableRandom;
import mockwebserver3.MockResponse;
import okio.Buffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/** Whole blobs and pieces of them, over connections that are not what they should be. */
class BlobPullTest {
    private static final byte[] CONTENT = random(200_000);

    private final FakeRegistry registry = FakeRegistry.start();
    private final FakeClock clock = new FakeClock();
    private final RegistryClient client = new RegistryClient(registry.settings(), CredentialSource.anonymous(), clock);
    private final Reference repository = registry.repository("team/app");
    private final Descriptor blob = registry.addBlob("team/app", "x/y", CONTENT);

    @AfterEach
    void close() {
        client.close();
        registry.close();
    }

    private static byte[] random(int size) {
        var bytes = new byte[size];
        new SplittableRandom(size).nextBytes(bytes);
        return bytes;
    }

    private byte[] range(int offset, int length) throws Exception {
        try (var range = client.range(repository, blob.digest(), offset, length)) {
            return range.readAllBytes();
        }
    }

    private static byte[] piece(int offset, int length) {
        return Arrays.copyOfRange(CONTENT, offset, offset + length);
    }

    @Test
    void readsAPiece() throws Exception {
        assertThat(range(0, 1)).isEqualTo(piece(0, 1));
        assertThat(range(5_000, 70_000)).isEqualTo(piece(5_000, 70_000));
        assertThat(range(CONTENT.length - 1, 1)).isEqualTo(piece(CONTENT.length - 1, 1));
        assertThat(registry.requests("GET", "/blobs/").get(1).header("Range")).isEqualTo("bytes=5000-74999");
    }

    @Test
    void endsAPieceWhereTheBlobEnds() throws Exception {
        assertThat(range(CONTENT.length - 10, 100)).isEqualTo(piece(CONTENT.length - 10, 10));
    }

    @Test
    void saysThatAPieceLiesBehindTheEnd() {
        assertThatThrownBy(() -> range(CONTENT.length, 1))
                .isInstanceOf(RegistryException.Invalid.class)
                .hasMessageContaining("bytes */200000");
        assertThatThrownBy(() -> client.range(repository, blob.digest(), 0, 0))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> client.range(repository, blob.digest(), -1, 5))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void putsUpWithARegistryThatIgnoresRanges() throws Exception {
        registry.ignoresRanges();
        assertThat(range(5_000, 70_000)).isEqualTo(piece(5_000, 70_000));
        assertThat(range(CONTENT.length - 10, 100)).isEqualTo(piece(CONTENT.length - 10, 10));
        registry.hidesLengths();
        assertThat(range(100, 50)).isEqualTo(piece(100, 50));
    }

    @Test
    void goesOnWhereAnAnswerBrokeOff() throws Exception {
        registry.cutBody(2, "GET", "/blobs/", 30_000);
        assertThat(range(5_000, 70_000)).isEqualTo(piece(5_000, 70_000));
        assertThat(registry.requests("GET", "/blobs/"))
                .extracting(seen -> seen.header("Range"))
                .containsExactly("bytes=5000-74999", "bytes=35000-74999", "bytes=65000-74999");
    }

    @Test
    void goesOnWithAWholeBlobToo() throws Exception {
        registry.cutBody(1, "GET", "/blobs/", 150_000);
        assertThat(client.blobBytes(repository, blob, CONTENT.length)).isEqualTo(CONTENT);
        assertThat(registry.requests("GET", "/blobs/"))
                .extracting(seen -> String.valueOf(seen.header("Range")))
                .containsExactly("null", "bytes=150000-199999");
    }

    @Test
    void goesOnWithARegistryThatIgnoresRanges() throws Exception {
        registry.ignoresRanges();
        registry.cutBody(1, "GET", "/blobs/", 150_000);
        assertThat(client.blobBytes(repository, blob, CONTENT.length)).isEqualTo(CONTENT);
    }

    @Test
    void givesUpOnARegistryThatBreaksOffAtTheSameByte() {
        registry.cutBody(100, "GET", "/blobs/", 0);
        assertThatThrownBy(() -> range(10, 20))
                .isInstanceOf(RegistryException.Unavailable.class)
                .hasMessageContaining("broke off 4 times at byte 10");
    }

    @Test
    void takesAnAnswerShorterThanAsked() throws Exception {
        registry.answer(1, "GET", "/blobs/", part("bytes 10-19/200000", piece(10, 10)));
        assertThat(range(10, 100)).isEqualTo(piece(10, 100));
        assertThat(registry.requests("GET", "/blobs/").getLast().header("Range"))
                .isEqualTo("bytes=20-109");
    }

    @Test
    void refusesAnAnswerToAnotherRange() {
        for (var header : new String[] {
            "bytes 11-29/200000",
            "bytes 10-30/200000",
            "bytes 10-9/200000",
            "bytes 10-29/20",
            "bytes */200000",
            "items 10-29/30",
            "",
            "bytes 10-29/99999999999999999999999"
        }) {
            registry.answer(1, "GET", "/blobs/", part(header, piece(10, 20)));
            assertThatThrownBy(() -> range(10, 20)).as(header).isInstanceOf(RegistryException.Invalid.class);
        }
        registry.answer(1, "GET", "/blobs/", part("bytes 10-29/200000", piece(10, 19)));
        assertThatThrownBy(() -> range(10, 20)).hasMessageContaining("has 19 bytes");
    }

    private static MockResponse part(String contentRange, byte[] body) {
        return new MockResponse.Builder()
                .code(206)
                .setHeader("Content-Range", contentRange)
                .body(new Buffer().write(body))
                .build();
    }

    @Test
    void refusesABlobWithAnotherDigest() {
        registry.tamper(1, "/blobs/");
        assertThatThrownBy(() -> client.blobBytes(repository, blob, CONTENT.length))
                .isInstanceOf(RegistryException.Invalid.class)
                .hasMessageContaining("its content has the digest sha256:")
                .hasMessageContaining(blob.digest().toString());
    }

    @Test
    void doesNotHandOutTheLastBytesOfAWrongBlob() throws Exception {
        registry.tamper(1, "/blobs/");
        try (var in = client.blob(repository, blob)) {
            assertThatThrownBy(() -> in.readNBytes(CONTENT.length)).isInstanceOf(RegistryException.Invalid.class);
        }
    }

    @Test
    void refusesABlobOfAnotherSize() {
        var longer = new Descriptor("x/y", blob.digest(), CONTENT.length + 1);
        var shorter = new Descriptor("x/y", blob.digest(), CONTENT.length - 1);
        assertThatThrownBy(() -> client.blob(repository, longer)).hasMessageContaining("instead of 200001");
        assertThatThrownBy(() -> client.blob(repository, shorter)).hasMessageContaining("instead of 199999");
        registry.hidesLengths();
        assertThatThrownBy(() -> client.blobBytes(repository, shorter, CONTENT.length))
                .hasMessageContaining("its content has the digest");
        assertThatThrownBy(() -> client.blobBytes(repository, longer, CONTENT.length + 1))
                .isInstanceOf(RegistryException.class);
    }

    @Test
    void refusesToReadALargeBlobIntoMemory() {
        assertThatThrownBy(() -> client.blobBytes(repository, blob, 1000)).hasMessageContaining("at most 1000");
        assertThat(registry.requests()).isEmpty();
    }

    @Test
    void readsAnEmptyBlob() throws Exception {
        var empty = registry.addBlob("team/app", "x/y", new byte[0]);
        assertThat(client.blobBytes(repository, empty, 0)).isEmpty();
    }

    @Test
    void leavesARegistryAloneForAsLongAsItAsks() throws Exception {
        registry.fail(1, "GET", "/blobs/", 429, "Retry-After", "60");
        assertThatThrownBy(() -> client.rangeOnce(repository, blob.digest(), 0, 10, 0))
                .isInstanceOf(RegistryException.RateLimited.class);
        clock.pass(Duration.ofSeconds(50));
        assertThatThrownBy(
                        () -> client.as(CredentialSource.anonymous()).rangeOnce(repository, blob.digest(), 20, 10, 0))
                .isInstanceOfSatisfying(
                        RegistryException.RateLimited.class,
                        e -> assertThat(e.retryAfter()).contains(Duration.ofSeconds(10)));
        assertThat(registry.requests("GET", "/blobs/")).hasSize(1);
        clock.pass(Duration.ofSeconds(10));
        try (var range = client.rangeOnce(repository, blob.digest(), 0, 10, 0)) {
            assertThat(range.readAllBytes()).hasSize(10);
        }
    }

    @Test
    void repeatsNothingThatIsToBeTriedOnce() throws Exception {
        registry.fail(1, "GET", "/blobs/", 503);
        assertThatThrownBy(() -> client.rangeOnce(repository, blob.digest(), 0, 10, 0))
                .isInstanceOf(RegistryException.Unavailable.class);
        registry.cutBody(1, "GET", "/blobs/", 5);
        try (var range = client.rangeOnce(repository, blob.digest(), 0, 10, 0)) {
            assertThatThrownBy(range::readAllBytes).isInstanceOf(RegistryException.Unavailable.class);
        }
        assertThat(registry.requests("GET", "/blobs/")).hasSize(2);
    }

    @Test
    void followsARedirectWithoutTheCredential() throws Exception {
        registry.wantsTokens("me", "pw").redirectsBlobs();
        try (var known = new RegistryClient(
                registry.settings(), (host, path) -> Optional.of(new Credential.Basic("me", "pw")), clock)) {
            try (var range = known.range(repository, blob.digest(), 5, 10)) {
                assertThat(range.readAllBytes()).isEqualTo(piece(5, 10));
            }
        }
        assertThat(registry.storageRequests()).hasSize(1).allSatisfy(seen -> {
            assertThat(seen.header("Authorization")).isNull();
            assertThat(seen.header("Range")).isEqualTo("bytes=5-14");
        });
    }

    @Test
    void remembersARedirectUntilItEnds() throws Exception {
        registry.redirectsBlobs();
        range(0, 5);
        range(5, 5);
        assertThat(registry.requests("GET", "/blobs/")).hasSize(1);
        assertThat(registry.storageRequests()).hasSize(2);
        clock.pass(Duration.ofMinutes(3));
        range(10, 5);
        assertThat(registry.requests("GET", "/blobs/")).hasSize(2);
    }

    @Test
    void believesASignedUrlThatSaysWhenItEnds() throws Exception {
        registry.redirectsBlobs().signs("X-Amz-Date=20260101T000000Z&X-Amz-Expires=1200&X-Amz-Signature=s");
        range(0, 5);
        clock.pass(Duration.ofMinutes(19));
        range(5, 5);
        assertThat(registry.requests("GET", "/blobs/")).hasSize(1);
        clock.pass(Duration.ofSeconds(50));
        range(10, 5);
        assertThat(registry.requests("GET", "/blobs/")).hasSize(2);
    }

    @Test
    void asksTheRegistryAgainWhenARememberedRedirectFails() throws Exception {
        registry.redirectsBlobs();
        range(0, 5);
        registry.signs("signature=beta");
        assertThat(range(5, 5)).isEqualTo(piece(5, 5));
        registry.failStorage(1, 503);
        assertThat(range(5, 5)).isEqualTo(piece(5, 5));
        registry.cutStorageBody(1, 2);
        assertThat(range(20, 5)).isEqualTo(piece(20, 5));
    }

    @Test
    void forgetsARedirectWhoseBytesWereWrong() throws Exception {
        registry.redirectsBlobs();
        try (var range = client.range(repository, blob.digest(), 0, 5)) {
            range.readAllBytes();
            range.distrust();
        }
        range(0, 5);
        assertThat(registry.requests("GET", "/blobs/")).hasSize(2);
    }

    @Test
    void refusesARedirectFromTlsToPlainHttp() {
        try (var secure = FakeRegistry.startTls()) {
            secure.addBlob("a/b", CONTENT);
            secure.fail(1, "GET", "/blobs/", 307, "Location", "http://" + registry.host() + "/stolen?token=1");
            try (var tls = new RegistryClient(secure.settings(), CredentialSource.anonymous())) {
                assertThatThrownBy(() -> tls.blob(secure.repository("a/b"), blob))
                        .isInstanceOf(RegistryException.Invalid.class)
                        .hasMessageContaining("redirected from TLS")
                        .hasMessageNotContaining("token=1");
            }
        }
        assertThat(registry.requests()).isEmpty();
    }

    @Test
    void refusesRedirectsThatLeadNowhereOrRound() {
        registry.fail(1, "GET", "/blobs/", 307);
        assertThatThrownBy(() -> client.blob(repository, blob)).hasMessageContaining("redirected to nowhere");
        registry.fail(100, "GET", "/blobs/", 307, "Location", "/v2/team/app/blobs/" + blob.digest());
        assertThatThrownBy(() -> client.blob(repository, blob)).hasMessageContaining("more than 5 times");
    }

    /** Any piece, over any cuts, is the piece. */
    @RepeatedTest(10)
    void readsAnyPieceOverAnyCuts(RepetitionInfo repetition) throws Exception {
        var random = new SplittableRandom(repetition.getCurrentRepetition());
        for (var i = 0; i < 3; i++) {
            registry.cutBody(1, "GET", "/blobs/", 1 + random.nextInt(20_000));
        }
        var offset = random.nextInt(CONTENT.length);
        var length = 1 + random.nextInt(CONTENT.length - offset);
        assertThat(range(offset, length)).isEqualTo(piece(offset, length));
    }
}
