package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ReferenceTest {
    private static final String HEX = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    @ParameterizedTest
    @CsvSource({
        "nginx,                          docker.io,          library/nginx,  latest",
        "nginx:1.27,                     docker.io,          library/nginx,  1.27",
        "team/app,                       docker.io,          team/app,       latest",
        "docker.io/nginx,                docker.io,          library/nginx,  latest",
        "index.docker.io/nginx:1,        docker.io,          library/nginx,  1",
        "ghcr.io/team/app:v1,            ghcr.io,            team/app,       v1",
        "localhost/app,                  localhost,          app,            latest",
        "localhost:5000/app,             localhost:5000,     app,            latest",
        "localhost:5000/app:v1,          localhost:5000,     app,            v1",
        "[::1]:5000/app:v1,              [::1]:5000,         app,            v1",
        "10.0.0.1/a/b/c/d:x_y.z-1,       10.0.0.1,           a/b/c/d,        x_y.z-1",
        "Registry/app,                   Registry,           app,            latest",
        "r.example/a__b/c---d/e.f:T,     r.example,          a__b/c---d/e.f, T",
        "under_score.example/app,        under_score.example, app,           latest",
    })
    void readsWhatDockerReads(String text, String registry, String repository, String tag) {
        assertThat(Reference.parse(text)).isEqualTo(new Reference(registry, repository, tag, null));
    }

    @Test
    void readsADigestWithAndWithoutTag() {
        var digest = Digest.parse("sha256:" + HEX);
        assertThat(Reference.parse("ghcr.io/a/b@sha256:" + HEX))
                .isEqualTo(new Reference("ghcr.io", "a/b", null, digest));
        var both = Reference.parse("localhost:5000/b:v1@sha256:" + HEX);
        assertThat(both).isEqualTo(new Reference("localhost:5000", "b", "v1", digest));
        assertThat(both.selector()).hasValue(digest.toString());
    }

    @Test
    void leavesARepositoryWithoutATagWhereThatIsAsked() {
        assertThat(Reference.parseRepository("ghcr.io/a/b")).isEqualTo(new Reference("ghcr.io", "a/b", null, null));
        assertThat(Reference.parseRepository("ghcr.io/a/b:v1").tag()).isEqualTo("v1");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "/",
                "a/",
                "/a",
                "a//b",
                "A",
                "ghcr.io/A/b",
                "a:",
                "a:-x",
                "a:b:c",
                "a b",
                "a@b",
                "a@sha256:12",
                "ghcr.io/",
                "ghcr.io:/a",
                "ghcr.io:x/a",
                "ghcr.io:999999/a",
                "a..b",
                "a/-b",
                "a/b-",
                "https://ghcr.io/a",
                "user@ghcr.io/a",
                "ghcr.io/a?x=1",
                "ghcr.io/a/../b",
                "ghcr.io/%2e/b"
            })
    void refusesWhatIsNoReference(String text) {
        assertThatThrownBy(() -> Reference.parse(text)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void refusesATagOrANameThatIsTooLong() {
        assertThat(Reference.parse("a:" + "t".repeat(128)).tag()).hasSize(128);
        assertThatThrownBy(() -> Reference.parse("a:" + "t".repeat(129))).hasMessageContaining("is not a tag");
        assertThatThrownBy(() -> Reference.parse("ghcr.io/" + "a".repeat(260))).hasMessageContaining("longer than 255");
    }

    @Test
    void isReadAsItIsWritten() {
        for (var text : new String[] {"docker.io/library/nginx:1", "localhost:5000/a/b@sha256:" + HEX}) {
            assertThat(Reference.parse(text)).hasToString(text);
        }
    }

    @Test
    void goesToATagOrADigestOfTheSameRepository() {
        var reference = Reference.parse("ghcr.io/a/b:v1");
        var digest = Digest.parse("sha256:" + HEX);
        assertThat(reference.withDigest(digest)).hasToString("ghcr.io/a/b@sha256:" + HEX);
        assertThat(reference.withDigest(digest).withTag("v2")).hasToString("ghcr.io/a/b:v2");
        assertThat(reference.withoutTag()).hasToString("ghcr.io/a/b");
        assertThat(reference.withDigest(digest).sameRepository(reference)).isTrue();
        assertThat(reference.withRepository("a/c").sameRepository(reference)).isFalse();
    }
}
