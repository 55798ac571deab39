package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import mockwebserver3.MockResponse;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Who refers to a digest, with and without the registry's help. */
class ReferrersTest {
    private static final Digest SUBJECT = Digest.sha256(new byte[] {1});
    private static final String TAG = "sha256-" + SUBJECT.hex();

    private final FakeRegistry registry = FakeRegistry.start();
    private final RegistryClient client = new RegistryClient(registry.settings(), CredentialSource.anonymous());
    private final Reference repository = registry.repository("team/app");

    @AfterEach
    void close() {
        client.close();
        registry.close();
    }

    private static ImageManifest referrer(String type, int number) {
        return ImageManifest.of(
                Descriptor.EMPTY_JSON,
                List.of(),
                type,
                new Descriptor(MediaTypes.OCI_MANIFEST, SUBJECT, 10),
                Map.of("number", String.valueOf(number)));
    }

    private void push(ImageManifest manifest) throws Exception {
        client.pushReferrer(repository, manifest.mediaType(), manifest.bytes());
    }

    private List<Digest> list(String type) throws Exception {
        return client.referrers(repository, SUBJECT, type).stream()
                .map(Descriptor::digest)
                .toList();
    }

    @Test
    void asksTheRegistry() throws Exception {
        var one = referrer("a/one", 1);
        push(one);
        assertThat(client.referrers(repository, SUBJECT, null))
                .containsExactly(one.descriptor().withArtifactType("a/one").withAnnotations(Map.of("number", "1")));
        assertThat(registry.manifest("team/app", TAG)).isEmpty();
        assertThat(client.referrers(repository, Digest.sha256(new byte[2]), null))
                .isEmpty();
    }

    @Test
    void filtersWhetherTheRegistryDoesOrNot() throws Exception {
        push(referrer("a/one", 1));
        var two = referrer("a/two", 2);
        push(two);
        assertThat(list("a/two")).containsExactly(two.digest());
        registry.filtersReferrers();
        assertThat(list("a/two")).containsExactly(two.digest());
        assertThat(list("a/three")).isEmpty();
    }

    @Test
    void turnsEveryPage() throws Exception {
        registry.pagesReferrersBy(3);
        var pushed = new ArrayList<Digest>();
        for (var i = 0; i < 10; i++) {
            var manifest = referrer("a/b", i);
            push(manifest);
            pushed.add(manifest.digest());
        }
        registry.forgetRequests();
        assertThat(list("a/b")).containsExactlyElementsOf(pushed);
        assertThat(registry.requests("GET", "/referrers/")).hasSize(4);
    }

    @Test
    void stopsTurningPagesThatNeverEnd() throws Exception {
        registry.neverEndsPages();
        assertThatThrownBy(() -> list(null))
                .isInstanceOf(RegistryException.Invalid.class)
                .hasMessageContaining("more than 100 pages");
        assertThat(registry.requests("GET", "/referrers/")).hasSize(100);
    }

    @Test
    void stopsWhenThePagesGoRound() {
        for (var i = 0; i < 2; i++) {
            registry.answer(
                    1, "GET", "/referrers/", page("</v2/team/app/referrers/" + SUBJECT + "?p=1>; rel=\"next\""));
        }
        assertThatThrownBy(() -> list(null)).hasMessageContaining("round in a circle");
    }

    @Test
    void doesNotFollowPagesToAnotherHost() {
        registry.answer(1, "GET", "/referrers/", page("<http://elsewhere.invalid/x?secret=1>; rel=next"));
        assertThatThrownBy(() -> list(null))
                .hasMessageContaining("another host")
                .hasMessageNotContaining("secret=1");
    }

    private static MockResponse page(String link) {
        return new MockResponse.Builder()
                .setHeader("Content-Type", MediaTypes.OCI_INDEX)
                .setHeader("Link", link)
                .body("{\"schemaVersion\":2,\"manifests\":[]}")
                .build();
    }

    @Test
    void keepsATagWhereTheRegistryHasNoSuchApi() throws Exception {
        registry.withoutReferrersApi();
        var one = referrer("a/one", 1);
        var two = referrer("a/two", 2);
        push(one);
        push(two);
        push(one);
        assertThat(list(null)).containsExactly(one.digest(), two.digest());
        assertThat(list("a/two")).containsExactly(two.digest());
        var index = Document.parse(registry.manifest("team/app", TAG).orElseThrow(), MediaTypes.OCI_INDEX);
        assertThat(index.asIndex().orElseThrow().manifests().getFirst())
                .isEqualTo(one.descriptor().withArtifactType("a/one").withAnnotations(Map.of("number", "1")));
        client.deleteReferrer(repository, SUBJECT, one.digest());
        assertThat(list(null)).containsExactly(two.digest());
    }

    @Test
    void namesTheTypeOfTheConfigWhereAnArtifactHasNone() throws Exception {
        registry.withoutReferrersApi();
        push(referrer(null, 1));
        assertThat(list(MediaTypes.OCI_EMPTY)).hasSize(1);
    }

    @Test
    void takesAWebPageForNoApi() throws Exception {
        registry.withoutReferrersApi();
        push(referrer("a/one", 1));
        registry.answer(
                1,
                "GET",
                "/referrers/",
                new MockResponse.Builder()
                        .setHeader("Content-Type", "text/html")
                        .body("<html>")
                        .build());
        assertThat(list(null)).hasSize(1);
        registry.fail(1, "GET", "/referrers/", 405);
        assertThat(list(null)).hasSize(1);
    }

    @Test
    void doesNotTakeARefusalForNoApi() {
        registry.fail(1, "GET", "/referrers/", 403);
        assertThatThrownBy(() -> list(null)).isInstanceOf(RegistryException.Denied.class);
    }

    @Test
    void losesNoneOfManyWrittenAtOnce() throws Exception {
        registry.withoutReferrersApi();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var pushes = new ArrayList<Future<?>>();
            for (var i = 0; i < 12; i++) {
                var manifest = referrer("a/b", i);
                pushes.add(threads.submit(() -> {
                    push(manifest);
                    return manifest;
                }));
            }
            for (var push : pushes) {
                push.get();
            }
        }
        assertThat(list(null)).hasSize(12).doesNotHaveDuplicates();
    }

    @Test
    void writesAgainWhatAnotherWriterOverwrote() throws Exception {
        registry.withoutReferrersApi();
        var one = referrer("a/one", 1);
        // The first writing is accepted and then lost, as if somebody had written the old index over it.
        registry.fail(1, "PUT", "/manifests/" + TAG, 201);
        push(one);
        assertThat(list(null)).containsExactly(one.digest());
    }

    @Test
    void refusesAManifestWithoutASubject() {
        var plain = ImageManifest.of(Descriptor.EMPTY_JSON, List.of(), null, null, Map.of());
        assertThatThrownBy(() -> push(plain)).hasMessageContaining("no subject");
        assertThat(registry.requests()).isEmpty();
    }
}
