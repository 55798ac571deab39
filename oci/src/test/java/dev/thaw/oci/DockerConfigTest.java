package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DockerConfigTest {
    private static DockerConfig config(String... keysAndUsers) {
        var json = new StringBuilder("{\"auths\":{");
        for (var i = 0; i < keysAndUsers.length; i += 2) {
            json.append(i == 0 ? "" : ",")
                    .append("\"%s\":{\"auth\":\"%s\"}".formatted(keysAndUsers[i], pair(keysAndUsers[i + 1], "pw")));
        }
        return DockerConfig.parse(json.append("}}").toString().getBytes(StandardCharsets.UTF_8));
    }

    private static String pair(String user, String password) {
        return Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
    }

    private static DockerConfig parse(String json) {
        return DockerConfig.parse(json.getBytes(StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @CsvSource({
        "ghcr.io,                       ghcr.io,          team/app, true",
        "https://ghcr.io,               ghcr.io,          team/app, true",
        "https://ghcr.io/v1/,           ghcr.io,          team/app, true",
        "https://ghcr.io/v2/,           ghcr.io,          team/app, true",
        "GHCR.io,                       ghcr.io,          team/app, true",
        "https://index.docker.io/v1/,   docker.io,        library/nginx, true",
        "docker.io,                     docker.io,        library/nginx, true",
        "registry-1.docker.io,          docker.io,        library/nginx, true",
        "ghcr.io/team,                  ghcr.io,          team/app, true",
        "ghcr.io/team/app,              ghcr.io,          team/app, true",
        "ghcr.io/team/app/,             ghcr.io,          team/app, true",
        "ghcr.io/team/ap,               ghcr.io,          team/app, false",
        "ghcr.io/other,                 ghcr.io,          team/app, false",
        "ghcr.io,                       evil-ghcr.io,     team/app, false",
        "ghcr.io,                       ghcr.io.evil.com, team/app, false",
        "localhost:5000,                localhost:5000,   app, true",
        "localhost:5000,                localhost:5001,   app, false",
        "localhost,                     localhost:5000,   app, false",
        "[::1]:5000,                    [::1]:5000,       app, true",
        "*.example.com,                 a.example.com,    app, true",
        "*.example.com,                 a.b.example.com,  app, false",
        "*.example.com,                 example.com,      app, false",
        "r*.ex?mple.com,                reg.example.com,  app, true",
        "*.dkr.ecr.*.amazonaws.com,     1.dkr.ecr.eu-west-1.amazonaws.com, app, true",
        "*a*b*.com,                     xxaxxbxx.com,     app, true",
        "*a*b*.com,                     xxbxxaxx.com,     app, false",
    })
    void matchesHostPortAndPath(String key, String host, String repository, boolean fits) {
        assertThat(config(key, "me").credential(host, repository).isPresent()).isEqualTo(fits);
    }

    @Test
    void prefersTheLongestPathThenTheHostWithoutWildCards() {
        var config = config(
                "*.example.com", "wild", "r.example.com", "host", "r.example.com/a", "a", "r.example.com/a/b", "ab");
        assertThat(config.credential("r.example.com", "a/b/c")).hasValue(new Credential.Basic("ab", "pw"));
        assertThat(config.credential("r.example.com", "a/x")).hasValue(new Credential.Basic("a", "pw"));
        assertThat(config.credential("r.example.com", "x")).hasValue(new Credential.Basic("host", "pw"));
        assertThat(config.credential("s.example.com", "x")).hasValue(new Credential.Basic("wild", "pw"));
    }

    @Test
    void readsEveryFormOfCredential() {
        var config = parse("""
                {"auths":{
                  "a.io":{"username":"u","password":"p:with:colons"},
                  "b.io":{"auth":"%s"},
                  "c.io":{"auth":"%s","identitytoken":"refresh"},
                  "d.io":{"registrytoken":"bearer"},
                  "e.io":{},
                  "f.io":{"auth":"%s"}
                },"credsStore":"desktop"}
                """.formatted(pair("u", "p:q"), pair("x", ""), pair("<token>", "refresh")));
        assertThat(config.credential("a.io", "r")).hasValue(new Credential.Basic("u", "p:with:colons"));
        assertThat(config.credential("b.io", "r")).hasValue(new Credential.Basic("u", "p:q"));
        assertThat(config.credential("c.io", "r")).hasValue(new Credential.IdentityToken("refresh"));
        assertThat(config.credential("d.io", "r")).hasValue(new Credential.RegistryToken("bearer"));
        assertThat(config.credential("e.io", "r")).isEmpty();
        assertThat(config.credential("f.io", "r")).hasValue(new Credential.IdentityToken("refresh"));
    }

    @Test
    void readsTheOldFormWithoutAuths() {
        var config = parse("{\"a.io\":{\"auth\":\"" + pair("u", "p") + "\"}}");
        assertThat(config.credential("a.io", "r")).hasValue(new Credential.Basic("u", "p"));
        assertThat(parse("{\"credsStore\":\"desktop\"}").isEmpty()).isTrue();
        assertThat(parse("{}").isEmpty()).isTrue();
    }

    @Test
    void mergesWithTheEarlierWinning() {
        var merged = DockerConfig.merged(List.of(config("a.io", "first"), config("a.io", "second", "b.io", "other")));
        assertThat(merged.credential("a.io", "r")).hasValue(new Credential.Basic("first", "pw"));
        assertThat(merged.credential("b.io", "r")).hasValue(new Credential.Basic("other", "pw"));
    }

    @Test
    void saysWhatIsWrongWithoutShowingTheSecret() {
        assertThatThrownBy(() -> parse("{\"auths\":{\"a.io\":{\"auth\":\"hunter2!\"}}}"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a.io")
                .hasMessageNotContaining("hunter2")
                .hasNoCause();
        assertThatThrownBy(() -> parse("{\"auths\":{\"a.io\":{\"auth\":\"hunter22\"}}}"))
                .hasMessageNotContaining("hunter2");
        assertThatThrownBy(() -> parse("hunter2"))
                .hasMessageContaining("docker config")
                .satisfies(e -> assertThat(stackTrace(e)).doesNotContain("hunter2"));
    }

    @Test
    void loadsAFileAndNamesItWhenItIsWrong(@TempDir Path folder) throws Exception {
        var good = Files.writeString(
                folder.resolve("good"), "{\"auths\":{\"a.io\":{\"username\":\"u\",\"password\":\"p\"}}}");
        assertThat(DockerConfig.load(good).credential("a.io", "r")).isPresent();
        var bad = Files.writeString(folder.resolve("bad"), "[");
        assertThatThrownBy(() -> DockerConfig.load(bad)).hasMessageContaining(bad.toString());
    }

    @Test
    void neverPrintsASecret() {
        assertThat(new Credential.Basic("user", "hunter2")).asString().doesNotContain("hunter2");
        assertThat(new Credential.IdentityToken("hunter2")).asString().doesNotContain("hunter2");
        assertThat(new Credential.RegistryToken("hunter2")).asString().doesNotContain("hunter2");
        assertThat(config("a.io", "hunter2")).asString().doesNotContain("hunter2");
        assertThat(new Authorization("Bearer hunter2", java.time.Instant.MAX))
                .asString()
                .doesNotContain("hunter2");
    }

    private static String stackTrace(Throwable e) {
        var out = new java.io.StringWriter();
        e.printStackTrace(new java.io.PrintWriter(out));
        return out.toString();
    }
}
