package dev.thaw.agent.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.agent.AgentException.Refusal;
import dev.thaw.agent.AgentException.SnapshotRefused;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FiltersTest {
    private static final Snapshot LAYER = new Snapshot(
            7,
            "sha256:aaaa",
            "k8s.io/3/sha256:bbbb",
            Kind.COMMITTED,
            Map.of("containerd.io/snapshot.ref", "sha256:aaaa", "team", "blue green", "odd\"key", "1"),
            Instant.EPOCH,
            Instant.EPOCH,
            Optional.empty());

    private static boolean matches(String... filters) throws SnapshotRefused {
        return Filters.parse(List.of(filters)).test(LAYER);
    }

    @Test
    void noFilterMatchesEverything() throws SnapshotRefused {
        assertThat(matches()).isTrue();
        assertThat(matches("")).isTrue();
    }

    @Test
    void findsAClaimAsContainerdLooksForIt() throws SnapshotRefused {
        assertThat(matches("labels.\"containerd.io/snapshot.ref\"==sha256:aaaa,parent==\"k8s.io/3/sha256:bbbb\""))
                .isTrue();
        assertThat(matches("labels.\"containerd.io/snapshot.ref\"==sha256:aaaa,parent==\"\""))
                .isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "name==sha256:aaaa",
                "kind==committed",
                "kind!=active",
                "labels.team==\"blue green\"",
                "labels.team==\"blue\\x20gr\\u0065en\"",
                "labels.\"odd\\\"key\"==1",
                "labels.team",
                "labels.team,kind",
                "labels.none!=x",
                "name~=^sha256:a+$",
                "name~=|a{4}|",
                "labels.team~=/blue.gre+n/",
                "parent~='\\\\d'"
            })
    void matchesWhatItSays(String filter) throws SnapshotRefused {
        assertThat(matches(filter)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "name==sha256:aaab",
                "kind==active",
                "labels.none",
                "labels.none==\"\"",
                "unknown",
                "unknown==x",
                "labels.team!=\"blue green\"",
                "labels.team,kind==view",
                "name~=^b"
            })
    void doesNotMatchWhatItDoesNotSay(String filter) throws SnapshotRefused {
        assertThat(matches(filter)).isFalse();
    }

    @Test
    void oneOfSeveralFiltersIsEnough() throws SnapshotRefused {
        assertThat(matches("kind==active", "kind==committed")).isTrue();
        assertThat(matches("kind==active", "kind==view")).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "==x",
                "name=x",
                "name==",
                "name==\"x",
                "name==\"\\",
                "name==\"\\q\"",
                "name==\"\\x1\"",
                "name==\"\\UFFFFFFFF\"",
                "name,",
                ",name",
                "name==a b",
                "name.",
                "name~=[",
                "labels.\"x",
                "9name",
                " name"
            })
    void refusesWhatItCannotRead(String filter) {
        assertThatThrownBy(() -> matches(filter))
                .isInstanceOfSatisfying(
                        SnapshotRefused.class, e -> assertThat(e.refusal()).isEqualTo(Refusal.INVALID_ARGUMENT));
    }
}
