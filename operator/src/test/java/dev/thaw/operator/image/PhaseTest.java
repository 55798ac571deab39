package dev.thaw.operator.image;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Compression;
import dev.thaw.crds.Mode;
import dev.thaw.crds.Reason;
import dev.thaw.crds.Verification;
import dev.thaw.oci.Digest;
import dev.thaw.operator.conversion.Attempt;
import dev.thaw.operator.conversion.ConversionRequest;
import dev.thaw.operator.conversion.ConversionResult;
import dev.thaw.operator.conversion.Failure;
import dev.thaw.operator.image.Observation.Tried;
import dev.thaw.operator.registry.SourceImage;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class PhaseTest {
    private static final Instant NOW = Instant.parse("2026-01-01T12:00:00Z");
    private static final SourceImage SOURCE =
            new SourceImage(Digest.sha256(new byte[0]), "application/vnd.oci.image.index.v1+json", List.of());

    @Test
    void startsTheFirstTryWhenThereIsNone() {
        assertThat(Phase.after(seen(Verification.FULL, Optional.empty(), true)))
                .isEqualTo(new Phase.Starting(SOURCE, request(Verification.FULL), 1, "1/s"));
    }

    @Test
    void waitsForRoom() {
        assertThat(Phase.after(seen(Verification.FULL, Optional.empty(), false)))
                .isInstanceOf(Phase.Queued.class);
    }

    @Test
    void isReadyWithoutAJobOnceThisVeryRequestIsPublished() {
        var published = new Observation.Resolved(
                SOURCE,
                request(Verification.FULL),
                true,
                Optional.empty(),
                "1/s",
                3,
                true,
                Optional.of(Duration.ofMinutes(5)),
                NOW);
        assertThat(Phase.after(published)).isInstanceOfSatisfying(Phase.Ready.class, ready -> {
            assertThat(ready.news()).isEmpty();
            assertThat(ready.again()).contains(Duration.ofMinutes(5));
        });
    }

    @Test
    void bringsNewsWhenTheJobHasPublished() {
        var phase = Phase.after(after(Verification.FULL, succeeded(true)));
        assertThat(phase)
                .isInstanceOfSatisfying(
                        Phase.Ready.class, ready -> assertThat(ready.news()).isPresent());
    }

    @Test
    void trustsAnUncomparedTreeOnlyWhereTheSpecSaysSo() {
        assertThat(Phase.after(after(Verification.OFF, succeeded(false)))).isInstanceOf(Phase.Ready.class);
        assertThat(Phase.after(after(Verification.FULL, succeeded(false))))
                .isInstanceOfSatisfying(
                        Phase.Failed.class,
                        failed -> assertThat(failed.failure().reason()).isEqualTo(Reason.VERIFICATION_FAILED));
    }

    @Test
    void waitsBeforeItTriesAgainWhatMayPassByItself() {
        var justNow = failed(1, "1/s", Failure.passing(Reason.REGISTRY_UNAVAILABLE, "down"), NOW.minusSeconds(3));
        assertThat(Phase.after(after(Verification.FULL, justNow)))
                .isInstanceOfSatisfying(
                        Phase.Failed.class, failed -> assertThat(failed.again()).contains(Duration.ofSeconds(7)));

        var before = failed(1, "1/s", Failure.passing(Reason.REGISTRY_UNAVAILABLE, "down"), NOW.minusSeconds(10));
        assertThat(Phase.after(after(Verification.FULL, before)))
                .isInstanceOfSatisfying(
                        Phase.Starting.class,
                        starting -> assertThat(starting.attempt()).isEqualTo(2));
    }

    @Test
    void doesNotTryAgainWhatOnlyAPersonCanMend() {
        var longAgo = failed(1, "1/s", Failure.lasting(Reason.TARGET_FORBIDDEN, "no"), NOW.minus(Duration.ofDays(30)));
        assertThat(Phase.after(after(Verification.FULL, longAgo))).isInstanceOf(Phase.Failed.class);
    }

    @Test
    void triesAtOnceWhenThePersonHasChangedSpecOrSecret() {
        var failure = Failure.lasting(Reason.SOURCE_UNAUTHORIZED, "no");
        var withOtherSecret = failed(4, "1/older", failure, NOW);
        assertThat(Phase.after(after(Verification.FULL, withOtherSecret)))
                .isInstanceOfSatisfying(
                        Phase.Starting.class,
                        starting -> assertThat(starting.attempt()).isEqualTo(5));
    }

    @Test
    void triesOnlyOnceAnHourBeyondTheLimit() {
        var fourth = Failure.passing(Reason.REGISTRY_UNAVAILABLE, "down");
        assertThat(Phase.after(after(Verification.FULL, failed(4, "1/s", fourth, NOW.minusSeconds(3000)))))
                .isInstanceOf(Phase.Failed.class);
        assertThat(Phase.after(after(Verification.FULL, failed(4, "1/s", fourth, NOW.minusSeconds(3600)))))
                .isInstanceOf(Phase.Starting.class);
    }

    @Test
    void doublesThePauseUpToFiveMinutes() {
        assertThat(List.of(1, 2, 3, 4, 5, 6, 60))
                .extracting(failures -> Retries.pause(failures).toSeconds())
                .containsExactly(10L, 20L, 40L, 80L, 160L, 300L, 300L);
    }

    @Test
    void looksAtSecretsNowAndThenWhileTheSourceIsNotReadable() {
        var unresolved = new Observation.Unresolved(
                Failure.lasting(Reason.SOURCE_UNAUTHORIZED, "no"), Optional.of(Duration.ofMinutes(5)));
        assertThat(Phase.after(unresolved).again()).contains(Phase.SECRETS);
    }

    private static Observation after(Verification verification, Attempt attempt) {
        return seen(verification, Optional.of(new Tried(attempt, Optional.empty(), "")), true);
    }

    private static Observation seen(Verification verification, Optional<Tried> tried, boolean room) {
        return new Observation.Resolved(
                SOURCE, request(verification), false, tried, "1/s", 3, room, Optional.of(Duration.ofMinutes(5)), NOW);
    }

    private static Attempt succeeded(boolean verified) {
        var result = new ConversionResult.Published(
                "r/a@sha256:bb", "sha256:aa", Mode.CONVERT, "", List.of(), 1, 1, Duration.ofSeconds(1), 1, verified);
        return new Attempt("job", 1, "1/s", NOW, new Attempt.Succeeded(result, NOW));
    }

    private static Attempt failed(int number, String mark, Failure failure, Instant ended) {
        return new Attempt("job", number, mark, ended, new Attempt.Failed(failure, Optional.empty(), ended));
    }

    private static ConversionRequest request(Verification verification) {
        return new ConversionRequest(
                "docker.io/library/app:1",
                "docker.io/library/app",
                SOURCE.digest().toString(),
                "docker.io/library/app:1-thaw",
                List.of(),
                Mode.AUTO,
                "1Mi",
                Compression.ZSTD,
                verification,
                Optional.empty());
    }
}
