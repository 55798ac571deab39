package dev.thaw.agent.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.oci.Credential;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Kubelet's plugins, some of them real programs. */
final class CredentialProviderTest {
    private static final String HOST = "123.dkr.ecr.eu-west-1.amazonaws.com";

    @TempDir
    Path directory;

    private Path config;
    private final List<String> asked = new ArrayList<>();
    private Instant now = Instant.parse("2026-01-01T00:00:00Z");
    private final Clock clock = new Clock() {
        @Override
        public Instant instant() {
            return now;
        }

        @Override
        public ZoneId getZone() {
            return ZoneOffset.UTC;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            return this;
        }
    };

    @BeforeEach
    void write() throws IOException {
        config = directory.resolve("providers.yaml");
        Files.writeString(config, """
                apiVersion: kubelet.config.k8s.io/v1
                kind: CredentialProviderConfig
                providers:
                  - name: ecr
                    matchImages: ["*.dkr.ecr.*.amazonaws.com"]
                    defaultCacheDuration: 12h
                    apiVersion: credentialprovider.kubelet.k8s.io/v1
                    args: [get-credentials]
                    env: [{name: AWS_PROFILE, value: node}]
                  - name: other
                    matchImages: ["registry.example:5000/team"]
                    defaultCacheDuration: "0"
                    apiVersion: credentialprovider.kubelet.k8s.io/v1
                """);
    }

    private static String answer(String reach, String duration, String host, String password) {
        return """
                {"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1",
                 "cacheKeyType":"%s",%s"auth":{"%s":{"username":"AWS","password":"%s"}}}
                """.formatted(
                        reach, duration.isEmpty() ? "" : "\"cacheDuration\":\"" + duration + "\",", host, password);
    }

    /** A plugin that numbers its passwords. */
    private CredentialProvider numbering(String reach, String duration) {
        return new CredentialProvider(
                config,
                (provider, request) -> {
                    asked.add(new String(request, StandardCharsets.UTF_8));
                    return answer(reach, duration, "*.dkr.ecr.*.amazonaws.com", "p" + asked.size())
                            .getBytes(StandardCharsets.UTF_8);
                },
                clock);
    }

    private static Optional<String> password(CredentialProvider provider, String host, String repository) {
        return provider.credential(host, repository).map(found -> ((Credential.Basic) found).password());
    }

    @Test
    void asksAsKubeletAsks() {
        assertThat(numbering("Registry", "1h").credential(HOST, "team/app"))
                .contains(new Credential.Basic("AWS", "p1"));
        assertThat(asked)
                .containsExactly("{\"kind\":\"CredentialProviderRequest\","
                        + "\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\"image\":\"" + HOST
                        + "/team/app\"}");
    }

    @Test
    void asksOnlyProvidersThatAreMeantForTheImage() {
        var provider = numbering("Registry", "1h");
        assertThat(provider.credential("docker.io", "library/nginx")).isEmpty();
        assertThat(provider.credential("ecr.amazonaws.com", "a")).isEmpty();
        assertThat(provider.credential("registry.example:5000", "else/app")).isEmpty();
        assertThat(asked).isEmpty();
    }

    @Test
    void givesNothingToAHostThatTheAnswerDoesNotName() {
        var provider = new CredentialProvider(
                config,
                (wanted, request) ->
                        answer("Global", "1h", "elsewhere.example", "secret").getBytes(StandardCharsets.UTF_8),
                clock);
        assertThat(provider.credential(HOST, "team/app")).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"Image,p1,p2,p3", "Registry,p1,p1,p2", "Global,p1,p1,p1"})
    void keepsAnAnswerForWhatItIsFor(String reach, String same, String sameHost, String otherHost) {
        var provider = numbering(reach, "1h");
        assertThat(password(provider, HOST, "team/app")).contains("p1");
        assertThat(password(provider, HOST, "team/app")).contains(same);
        assertThat(password(provider, HOST, "team/other")).contains(sameHost);
        assertThat(password(provider, "9.dkr.ecr.us.amazonaws.com", "team/app")).contains(otherHost);
    }

    @ParameterizedTest
    @CsvSource({"1h,3600", "'',43200", "90m0s,5400"})
    void keepsAnAnswerForAsLongAsItHolds(String duration, long seconds) {
        var provider = numbering("Registry", duration);
        password(provider, HOST, "a");
        now = now.plusSeconds(seconds - 1);
        assertThat(password(provider, HOST, "a")).contains("p1");
        now = now.plusSeconds(1);
        assertThat(password(provider, HOST, "a")).contains("p2");
    }

    @Test
    void keepsNoAnswerThatHoldsForNoTime() {
        var provider = numbering("Registry", "0s");
        password(provider, HOST, "a");
        assertThat(password(provider, HOST, "a")).contains("p2");
    }

    @Test
    void asksAgainWhenAnAnswerWasRefusedThoughNotWithoutEnd() {
        var provider = numbering("Registry", "1h");
        provider.refused(HOST, "a", provider.credential(HOST, "a").orElseThrow());
        assertThat(password(provider, HOST, "a")).contains("p1");
        now = now.plusSeconds(10);
        provider.refused(HOST, "a", provider.credential(HOST, "a").orElseThrow());
        assertThat(password(provider, HOST, "a")).contains("p2");
    }

    @Test
    void leavesAPluginThatFailsAloneForAMomentAndSaysSo() {
        var provider = new CredentialProvider(
                config,
                (wanted, request) -> {
                    asked.add(wanted.name());
                    throw new IOException("no network");
                },
                clock);
        assertThat(provider.credential(HOST, "a")).isEmpty();
        assertThat(provider.credential(HOST, "a")).isEmpty();
        assertThat(asked).hasSize(1);
        assertThat(provider.problem())
                .hasValueSatisfying(problem -> assertThat(problem).contains("ecr", HOST, "no network"));
        now = now.plusSeconds(10);
        provider.credential(HOST, "a");
        assertThat(asked).hasSize(2);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "secret-but-no-json",
                "{}",
                "{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v2\"}",
                "{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\"cacheKeyType\":\"secret\"}",
            })
    void repeatsNothingOfAnAnswerThatItDoesNotUnderstand(String answer) {
        var provider =
                new CredentialProvider(config, (wanted, request) -> answer.getBytes(StandardCharsets.UTF_8), clock);
        assertThat(provider.credential(HOST, "a")).isEmpty();
        assertThat(provider.problem())
                .hasValueSatisfying(
                        problem -> assertThat(problem).contains("ecr").doesNotContain("secret"));
    }

    @Test
    void readsItsConfigurationAgainWhenItChanges() throws IOException {
        var provider = numbering("Registry", "1h");
        Files.delete(config);
        assertThat(provider.credential(HOST, "a")).isEmpty();
        assertThat(provider.problem()).contains(config + " is not there");
        write();
        Files.setLastModifiedTime(config, FileTime.from(Instant.parse("2020-01-01T00:00:00Z")));
        assertThat(password(provider, HOST, "a")).contains("p1");
        assertThat(provider.problem()).isEmpty();
    }

    @Test
    void saysWhichProvidersItCannotAsk() throws IOException {
        var parsed = CredentialProviderConfig.parse("""
                kind: CredentialProviderConfig
                providers:
                  - name: tokens
                    matchImages: ["a.example"]
                    apiVersion: credentialprovider.kubelet.k8s.io/v1
                    tokenAttributes: {serviceAccountTokenAudience: a, requireServiceAccount: true}
                """.getBytes(StandardCharsets.UTF_8));
        assertThat(parsed.providers()).isEmpty();
        assertThat(parsed.problems()).singleElement().asString().contains("tokens", "service account");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "kind: Pod",
                "kind: CredentialProviderConfig\nproviders: [{name: ../sh, apiVersion: credentialprovider.kubelet.k8s.io/v1}]",
                "kind: CredentialProviderConfig\nproviders: [{name: a, apiVersion: other/v1}]",
                "kind: CredentialProviderConfig\nproviders: [{name: a, apiVersion: credentialprovider.kubelet.k8s.io/v1, defaultCacheDuration: soon}]",
                "{",
            })
    void refusesAConfigurationThatKubeletWouldRefuse(String yaml) {
        assertThatThrownBy(() -> CredentialProviderConfig.parse(yaml.getBytes(StandardCharsets.UTF_8)))
                .isInstanceOf(IOException.class);
    }

    @ParameterizedTest
    @CsvSource({"12h0m0s,43200000", "1.5h,5400000", "0,0", "90s,90000", "250ms,250", "1m30.5s,90500", "3us,0"})
    void readsGosDurations(String text, long millis) {
        assertThat(GoDuration.parse(text)).isEqualTo(Duration.ofMillis(millis));
    }

    private CredentialProvider program(String script, Duration limit) throws IOException {
        var file = directory.resolve("ecr");
        Files.writeString(file, "#!/bin/sh\n" + script);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
        return new CredentialProvider(config, new NodeProgram(directory, false, limit), clock);
    }

    @Test
    void runsAProgramWithItsArgumentsAndSurroundings() throws IOException {
        var provider =
                program("""
                        read request
                        case $request in *'"image":"%s/team/app"'*) ;; *) echo "asked: $request" >&2; exit 3;; esac
                        [ "$1" = get-credentials ] && [ "$AWS_PROFILE" = node ] && [ -z "$JAVA_HOME$HOME" ] || exit 4
                        cat <<END
                        %s
                        END
                        """.formatted(HOST, answer("Registry", "1h", HOST, "from-a-program")), Duration.ofSeconds(60));
        assertThat(password(provider, HOST, "team/app"))
                .as(provider.problem().orElse(""))
                .contains("from-a-program");
    }

    @Test
    void endsAProgramThatDoesNotEnd() throws IOException {
        var provider = program("sleep 1000 & echo $! > " + directory + "/child; sleep 1000", Duration.ofMillis(500));
        assertThat(provider.credential(HOST, "a")).isEmpty();
        assertThat(provider.problem())
                .hasValueSatisfying(problem -> assertThat(problem).contains("did not end within 500 ms"));
    }

    @Test
    void saysHowAProgramFailed() throws IOException {
        var provider = program("echo 'no role for this node' >&2; exit 7", Duration.ofSeconds(60));
        assertThat(provider.credential(HOST, "a")).isEmpty();
        assertThat(provider.problem())
                .hasValueSatisfying(problem -> assertThat(problem).contains("ended with 7: no role for this node"));
    }

    @Test
    void readsNoEndlessAnswer() throws IOException {
        var provider = program("exec yes", Duration.ofSeconds(2));
        assertThat(provider.credential(HOST, "a")).isEmpty();
        assertThat(provider.problem()).isPresent();
    }
}
