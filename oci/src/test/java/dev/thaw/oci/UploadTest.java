package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Blobs on their way up. */
class UploadTest {
    private static final int CHUNK = 4096;
    private static final byte[] CONTENT = random(20_000);

    private final FakeRegistry registry = FakeRegistry.start();
    private final RegistryClient client =
            new RegistryClient(registry.settings().withUploadChunk(CHUNK), CredentialSource.anonymous());
    private final Reference repository = registry.repository("team/app");
    private final Digest digest = Digest.sha256(CONTENT);

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

    private Descriptor upload(byte[] content) throws Exception {
        try (var upload = client.upload(repository)) {
            upload.write(content);
            return upload.commit();
        }
    }

    @Test
    void sendsChunksOfUnknownTotal() throws Exception {
        assertThat(upload(CONTENT)).isEqualTo(new Descriptor(MediaTypes.OCTET_STREAM, digest, CONTENT.length));
        assertThat(registry.blob("team/app", digest)).hasValue(CONTENT);
        assertThat(registry.requests("PATCH", ""))
                .extracting(seen -> seen.header("Content-Range"))
                .containsExactly("0-4095", "4096-8191", "8192-12287", "12288-16383", "16384-19999");
        assertThat(registry.openUploads()).isZero();
    }

    @Test
    void sendsALittleBlobWithTheCommit() throws Exception {
        upload(random(CHUNK));
        upload(new byte[0]);
        assertThat(registry.requests("PATCH", "")).isEmpty();
        assertThat(registry.blob("team/app", Digest.sha256(new byte[0]))).isPresent();
    }

    @Test
    void sendsChunksAsLargeAsTheRegistryDemands() throws Exception {
        registry.demandsChunksOf(10_000);
        upload(CONTENT);
        assertThat(registry.requests("PATCH", ""))
                .allSatisfy(seen -> assertThat(seen.body()).hasSize(10_000));
        registry.demandsChunksOf(Integer.MAX_VALUE);
        assertThatThrownBy(() -> client.upload(repository))
                .isInstanceOf(RegistryException.Invalid.class)
                .hasMessageContaining("push it from a file");
    }

    @Test
    void sendsTheRestOfAChunkThatWasCut() throws Exception {
        registry.takeHalf(2);
        assertThat(upload(CONTENT).digest()).isEqualTo(digest);
        assertThat(registry.blob("team/app", digest)).hasValue(CONTENT);
        assertThat(registry.requests("PATCH", ""))
                .extracting(seen -> seen.header("Content-Range"))
                .startsWith("0-4095", "2048-4095", "3072-4095", "4096-8191");
    }

    @Test
    void sendsAChunkAgainAfterAServerError() throws Exception {
        registry.fail(2, "PATCH", "", 503);
        upload(CONTENT);
        assertThat(registry.blob("team/app", digest)).hasValue(CONTENT);
    }

    @Test
    void doesNotSendAChunkTwiceWhoseAnswerWasLost() throws Exception {
        registry.hangUp(1, "PATCH", "");
        // The state in the URL has moved on without us, as with registries that sign it.
        assertThatThrownBy(() -> {
                    try (var upload = client.upload(repository)) {
                        upload.write(CONTENT);
                        upload.commit();
                    }
                    throw new RegistryException.Invalid("begun again and uploaded", 0);
                })
                .hasMessageContaining("begun again");
        assertThat(registry.blob("team/app", digest)).hasValue(CONTENT);
    }

    @Test
    void saysThatAnUploadWasForgotten() throws Exception {
        try (var upload = client.upload(repository)) {
            upload.write(CONTENT, 0, 2 * CHUNK + 1);
            registry.fail(1, "PATCH", "", 500);
            registry.fail(1, "GET", "/uploads/", 404);
            assertThatThrownBy(() -> upload.write(CONTENT))
                    .isInstanceOfSatisfying(
                            RegistryException.Unavailable.class,
                            e -> assertThat(e.isTransient()).isTrue())
                    .hasMessageContaining("forgotten the upload");
        }
    }

    @Test
    void givesUpOnARegistryThatTakesNoChunk() {
        registry.fail(100, "PATCH", "", 500);
        assertThatThrownBy(() -> upload(CONTENT)).isInstanceOf(RegistryException.Unavailable.class);
        assertThat(registry.openUploads()).isZero();
    }

    @Test
    void gathersTheNextChunkWhileOneIsOnItsWayAndThenTellsWhatBecameOfIt() throws Exception {
        registry.fail(1, "PATCH", "", 403);
        try (var upload = client.upload(repository)) {
            upload.write(CONTENT, 0, 2 * CHUNK);
            assertThat(upload.sizeBytes()).isEqualTo(2 * CHUNK);
            assertThatThrownBy(upload::commit).isInstanceOf(RegistryException.Denied.class);
            assertThatThrownBy(() -> upload.write(CONTENT)).isInstanceOf(RegistryException.Denied.class);
        }
        assertThat(registry.requests("PATCH", "")).hasSize(1);
        assertThat(registry.openUploads()).isZero();
    }

    @Test
    void reportsARefusalAtOnce() {
        registry.fail(1, "PATCH", "", 403);
        assertThatThrownBy(() -> upload(CONTENT)).isInstanceOf(RegistryException.Denied.class);
        assertThat(registry.requests("PATCH", "")).hasSize(1);
    }

    @Test
    void noticesThatACommitWhoseAnswerWasLostDidWork() throws Exception {
        registry.hangUp(1, "PUT", "/uploads/");
        assertThat(upload(CONTENT).digest()).isEqualTo(digest);
        assertThat(registry.requests("PUT", "/uploads/")).hasSize(1);
    }

    @Test
    void commitsAgainAfterAServerError() throws Exception {
        registry.answer(
                1,
                "PUT",
                "/uploads/",
                new mockwebserver3.MockResponse.Builder().code(500).build());
        var content = random(100);
        upload(content);
        assertThat(registry.blob("team/app", Digest.sha256(content))).hasValue(content);
    }

    @Test
    void publishesNothingWithoutACommit() throws Exception {
        try (var upload = client.upload(repository)) {
            upload.write(CONTENT);
        }
        assertThat(registry.requests("DELETE", "/uploads/")).hasSize(1);
        assertThat(registry.openUploads()).isZero();
        assertThat(registry.blob("team/app", digest)).isEmpty();
    }

    @Test
    void publishesNothingWithAnotherDigestThanExpected() throws Exception {
        try (var upload = client.upload(repository)) {
            upload.write(CONTENT);
            assertThatThrownBy(() -> upload.commit(Digest.sha256(new byte[1])))
                    .isInstanceOf(RegistryException.Invalid.class);
        }
        assertThat(registry.blob("team/app", digest)).isEmpty();
        try (var upload = client.upload(repository)) {
            upload.write(CONTENT);
            upload.commit(digest);
            assertThatThrownBy(() -> upload.write(1)).isInstanceOf(IllegalStateException.class);
        }
        assertThat(registry.blob("team/app", digest)).isPresent();
    }

    @Test
    void pushesFromMemoryAndFromAFile(@TempDir Path folder) throws Exception {
        client.push(repository, digest, CONTENT);
        assertThat(registry.blob("team/app", digest)).hasValue(CONTENT);
        var other = registry.repository("team/other");
        client.push(other, digest, Files.write(folder.resolve("blob"), CONTENT));
        assertThat(registry.blob("team/other", digest)).hasValue(CONTENT);
    }

    @Test
    void doesNotPushWhatIsThere() throws Exception {
        registry.addBlob("team/app", CONTENT);
        client.push(repository, digest, CONTENT);
        assertThat(registry.requests("POST", "")).isEmpty();
    }

    @Test
    void pushesAgainFromTheBeginningAfterAFailure() throws Exception {
        registry.fail(1, "PUT", "/uploads/", 502);
        client.push(repository, digest, CONTENT);
        assertThat(registry.blob("team/app", digest)).hasValue(CONTENT);
        assertThat(registry.openUploads()).isZero();
    }

    @Test
    void reportsContentOfAnotherDigest() {
        assertThatThrownBy(() -> client.push(repository, Digest.sha256(new byte[1]), CONTENT))
                .isInstanceOf(RegistryException.Invalid.class)
                .hasMessageContaining("DIGEST_INVALID");
    }

    @Test
    void leavesNothingBehindWhereverItIsInterrupted() throws Exception {
        for (int round = 0; round < 40; round++) {
            var failure = new AtomicReference<Exception>();
            var writer = Thread.ofVirtual().start(() -> {
                try (var upload = client.upload(repository)) {
                    while (true) {
                        upload.write(CONTENT);
                    }
                } catch (Exception e) {
                    failure.set(e);
                }
            });
            Thread.sleep(round);
            writer.interrupt();
            writer.join();
            assertThat(failure.get()).isInstanceOf(InterruptedIOException.class);
            assertThat(registry.openUploads()).as("round " + round).isZero();
        }
    }

    @Test
    void mountsWhereThatWorksAndCleansUpWhereItDoesNot() throws Exception {
        registry.addBlob("base/image", CONTENT);
        assertThat(client.mount(repository, digest, "base/image")).isTrue();
        assertThat(registry.blob("team/app", digest)).isPresent();
        assertThat(client.mount(repository, Digest.sha256(new byte[9]), "base/image"))
                .isFalse();
        registry.withoutMounts();
        assertThat(client.mount(registry.repository("c"), digest, "base/image")).isFalse();
        registry.fail(1, "POST", "", 403);
        assertThat(client.mount(registry.repository("c"), digest, "base/image")).isFalse();
        assertThat(registry.openUploads()).isZero();
    }

    @Test
    void refusesToSendContentInTheClear() {
        try (var secure = FakeRegistry.startTls();
                var tls = new RegistryClient(secure.settings(), CredentialSource.anonymous())) {
            secure.fail(1, "POST", "", 202, "Location", "http://127.0.0.1:1/upload?secret=1");
            assertThatThrownBy(() -> tls.upload(secure.repository("a")))
                    .isInstanceOf(RegistryException.Invalid.class)
                    .hasMessageContaining("X-Forwarded-Proto")
                    .hasMessageNotContaining("secret=1");
        }
    }

    @Test
    void sendsNoCredentialToAnUploadHostOfItsOwn() throws Exception {
        try (var elsewhere = FakeRegistry.start();
                var known = new RegistryClient(
                        registry.settings(), (host, path) -> java.util.Optional.of(new Credential.Basic("me", "pw")))) {
            registry.wantsBasic("me", "pw");
            try (var open = known.upload(repository)) {
                open.write(1);
            }
            registry.fail(1, "POST", "", 202, "Location", "http://" + elsewhere.host() + "/v2/a/blobs/uploads/x");
            elsewhere.fail(1, "PUT", "", 201);
            try (var upload = known.upload(repository)) {
                upload.write(CONTENT, 0, 100);
                upload.commit();
            }
            assertThat(elsewhere.requests())
                    .isNotEmpty()
                    .allSatisfy(seen -> assertThat(seen.header("Authorization")).isNull());
        }
    }

    /** Whatever pieces it is written in and whatever breaks, what arrives is what was written. */
    @RepeatedTest(10)
    void arrivesWholeWhateverBreaks(RepetitionInfo repetition) throws Exception {
        var random = new SplittableRandom(repetition.getCurrentRepetition());
        var content = random(1 + random.nextInt(40_000));
        registry.takeHalf(random.nextInt(3));
        registry.fail(random.nextInt(2), "PATCH", "", 502);
        try (var upload = client.upload(repository)) {
            for (var from = 0; from < content.length; ) {
                var length = Math.min(content.length - from, 1 + random.nextInt(9_000));
                upload.write(content, from, length);
                from += length;
            }
            upload.commit(Digest.sha256(content));
        }
        assertThat(registry.blob("team/app", Digest.sha256(content))).hasValue(content);
    }
}
