package dev.thaw.operator.certificates;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RenewalPolicyTest {
    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");
    private static final List<String> NAMES = List.of("hook.thaw.svc", "hook.thaw.svc.cluster.local");

    private final RenewalPolicy policy =
            new RenewalPolicy(Duration.ofDays(300), Duration.ofDays(30), Duration.ofMinutes(15));

    @Test
    void makesACertificateForEveryNameSignedByItsAuthority() throws Exception {
        var state = policy.first("test", NAMES, START);

        state.serving().verify(state.authorities().getFirst().getPublicKey());
        assertThat(state.serving().getSubjectAlternativeNames())
                .extracting(name -> String.valueOf(name.get(1)))
                .containsExactlyElementsOf(NAMES);
        assertThat(state.serving().getExtendedKeyUsage()).containsExactly("1.3.6.1.5.5.7.3.1");
        assertThat(state.authorities().getFirst().getBasicConstraints()).isZero();
        assertThat(state.serving().getBasicConstraints()).isEqualTo(-1);
        state.serving().checkValidity(java.util.Date.from(START.minus(Duration.ofMinutes(4))));
    }

    @Test
    void changesNothingBeforeTwoThirdsOfTheLife() throws Exception {
        var state = policy.first("test", NAMES, START);

        assertThat(policy.renewed(state, "test", NAMES, START.plus(Duration.ofDays(19))))
                .isSameAs(state);
    }

    @Test
    void renewsTheServersCertificateAtTwoThirdsAndKeepsItsAuthority() throws Exception {
        var state = policy.first("test", NAMES, START);

        var renewed = policy.renewed(state, "test", NAMES, START.plus(Duration.ofDays(20)));

        assertThat(renewed.serving()).isNotEqualTo(state.serving());
        assertThat(renewed.authorities()).isEqualTo(state.authorities());
        assertThat(renewed.isServedByCurrentAuthority()).isTrue();
    }

    @Test
    void renewsTheServersCertificateWhenTheServiceIsRenamed() throws Exception {
        var state = policy.first("test", NAMES, START);

        var renewed = policy.renewed(state, "test", List.of("other.thaw.svc"), START.plus(Duration.ofHours(1)));

        assertThat(renewed.serving().getSubjectX500Principal().getName()).isEqualTo("CN=other.thaw.svc");
    }

    @Test
    void aNewAuthorityIsTrustedBesideTheOldOneBeforeItSigns() throws Exception {
        var state = policy.first("test", NAMES, START);
        var due = START.plus(Duration.ofDays(201));
        // the server's certificate is a fresh one of the old authority
        state = policy.renewed(state, "test", NAMES, START.plus(Duration.ofDays(199)));

        var announced = policy.renewed(state, "test", NAMES, due);

        assertThat(announced.authorities())
                .hasSize(2)
                .endsWith(state.authorities().getFirst());
        assertThat(announced.serving()).isEqualTo(state.serving());
        assertThat(policy.renewed(announced, "test", NAMES, due.plus(Duration.ofMinutes(14))))
                .isSameAs(announced);

        var settled = policy.renewed(announced, "test", NAMES, due.plus(Duration.ofMinutes(15)));

        assertThat(settled.isServedByCurrentAuthority()).isTrue();
        assertThat(settled.authorities()).isEqualTo(announced.authorities());
    }

    @Test
    void forgetsAnAuthorityThatHasEnded() throws Exception {
        var state = policy.first("test", NAMES, START);
        for (int day = 1; day <= 301; day++) {
            state = policy.renewed(state, "test", NAMES, START.plus(Duration.ofDays(day)));
            state.serving().checkValidity(java.util.Date.from(START.plus(Duration.ofDays(day))));
        }

        assertThat(state.authorities()).hasSize(1);
        assertThat(state.isServedByCurrentAuthority()).isTrue();
    }

    @Test
    void startsAnewWhenEverythingHasEnded() throws Exception {
        var state = policy.first("test", NAMES, START);

        var later = policy.renewed(state, "test", NAMES, START.plus(Duration.ofDays(400)));

        assertThat(later.authorities()).hasSize(1).doesNotContainAnyElementsOf(state.authorities());
        later.serving().checkValidity(java.util.Date.from(START.plus(Duration.ofDays(400))));
    }

    @Test
    void aSecretHoldsTheWholeState() throws Exception {
        var state = policy.first("test", NAMES, START);

        var read = TlsState.read(state.data());

        assertThat(read).isEqualTo(state);
    }

    @Test
    void saysWhichKeyOfASecretIsUnusable() throws Exception {
        var data = policy.first("test", NAMES, START).data();
        data.remove("ca.key");

        assertThatThrownBy(() -> TlsState.read(data))
                .isInstanceOf(GeneralSecurityException.class)
                .hasMessageContaining("ca.key");
        assertThatThrownBy(() -> TlsState.read(Map.of("ca.crt", "!")))
                .isInstanceOf(GeneralSecurityException.class)
                .hasMessageContaining("ca.crt is not base64");
    }
}
