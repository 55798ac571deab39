package dev.thaw.converter.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.converter.report.PrintedProgress.Style;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {
    @TempDir
    private Path directory;

    private static ConversionResult result(int platforms) {
        var digest = "sha256:" + "a".repeat(64);
        var list = new ArrayList<PlatformResult>();
        for (var i = 0; i < platforms; i++) {
            list.add(new PlatformResult(
                    "linux/arch" + i, digest, digest, digest, 3, 4, 5, 6, 7, 8, 11, 9, 10, 1, 0, 100));
        }
        return new ConversionResult(
                "registry.example/team/app:1.0",
                digest,
                "registry.example/team/app@" + digest,
                digest,
                "1.0-thaw",
                "Convert",
                "Convert was asked for",
                list,
                100,
                200,
                3_000_000,
                Duration.ofSeconds(2),
                Duration.ofMillis(4567),
                true,
                42);
    }

    @Test
    void theResultHoldsWhatOthersRelyOn() throws IOException {
        var json = new ObjectMapper().readTree(ResultDocument.of(result(1)).full());

        assertThat(json.path("source").path("reference").asText()).isEqualTo("registry.example/team/app:1.0");
        assertThat(json.path("lazyImage").path("reference").asText()).contains("team/app@sha256:");
        assertThat(json.path("lazyImage").path("tag").asText()).isEqualTo("1.0-thaw");
        assertThat(json.path("mode").asText()).isEqualTo("Convert");
        assertThat(json.path("platforms").path(0).path("duplicateBytes").asLong())
                .isEqualTo(10);
        assertThat(json.path("durationSeconds").asDouble()).isEqualTo(4.57);
        assertThat(json.path("throughputBytesPerSecond").asLong()).isEqualTo(1_500_000);
        assertThat(json.path("verified").asBoolean()).isTrue();
        assertThat(json.path("verifiedEntries").asLong()).isEqualTo(42);
    }

    @Test
    void theResultFileStaysUnder4000BytesWhateverTheNumberOfPlatforms() throws IOException {
        var file = directory.resolve("result");
        for (var platforms : new int[] {0, 1, 10, 40}) {
            var document = ResultDocument.of(result(platforms));
            document.writeTo(file);

            assertThat(Files.size(file)).isLessThanOrEqualTo(4001);
            var json = new ObjectMapper().readTree(Files.readString(file));
            assertThat(json.path("platforms").size()
                            + json.path("platformsOmitted").asInt())
                    .isEqualTo(platforms);
            assertThat(json.path("lazyImage").path("digest").asText()).startsWith("sha256:");
        }
    }

    @Test
    void aFailureSaysReasonMessageAndWhetherToTryAgain() throws IOException {
        var failure = new ConversionException(FailureReason.RegistryUnavailable, "two\nlines");
        var json =
                new ObjectMapper().readTree(ResultDocument.of(failure).full()).path("error");

        assertThat(json.path("reason").asText()).isEqualTo("RegistryUnavailable");
        assertThat(json.path("message").asText()).isEqualTo("two lines");
        assertThat(json.path("retryable").asBoolean()).isTrue();
        var wordy = new ConversionException(FailureReason.Internal, "ä".repeat(10_000));
        assertThat(ResultDocument.of(wordy).brief().getBytes(StandardCharsets.UTF_8))
                .hasSizeLessThan(4000);
    }

    @Test
    void aFullDiskIsToldFromOtherFailures() {
        var full = new IOException("writing", new IOException("No space left on device"));

        assertThat(ConversionException.of(full).reason()).isEqualTo(FailureReason.DiskFull);
        assertThat(ConversionException.of(new IOException("something")).reason())
                .isEqualTo(FailureReason.Internal);
        var known = new ConversionException(FailureReason.CorruptLayer, "layer");
        assertThat(ConversionException.of(new RuntimeException(known))).isSameAs(known);
    }

    @Test
    void jsonProgressComesAtMostOnceASecondAndAtTheEnds() {
        var out = new ByteArrayOutputStream();
        var clock = new AtomicLong();
        var progress = new PrintedProgress(new PrintStream(out, true, StandardCharsets.UTF_8), Style.JSON, clock::get);

        progress.begin(Phase.CONVERT, 1000);
        for (var i = 0; i < 100; i++) {
            clock.addAndGet(Duration.ofMillis(25).toNanos());
            progress.advance(10);
        }
        progress.say("not for programs");
        progress.begin(Phase.VERIFY, 0);
        progress.end();

        assertThat(out.toString(StandardCharsets.UTF_8)).isEqualTo("""
            {"progress":{"phase":"convert","bytesDone":0,"bytesTotal":1000}}
            {"progress":{"phase":"convert","bytesDone":400,"bytesTotal":1000}}
            {"progress":{"phase":"convert","bytesDone":800,"bytesTotal":1000}}
            {"progress":{"phase":"convert","bytesDone":1000,"bytesTotal":1000}}
            {"progress":{"phase":"verify","bytesDone":0,"bytesTotal":0}}
            """);
    }

    @Test
    void linesAreForPeople() {
        var out = new ByteArrayOutputStream();
        var clock = new AtomicLong();
        var progress = new PrintedProgress(new PrintStream(out, true, StandardCharsets.UTF_8), Style.LINES, clock::get);

        progress.begin(Phase.PUBLISH, 4096);
        clock.addAndGet(Duration.ofSeconds(6).toNanos());
        progress.advance(2048);

        assertThat(out.toString(StandardCharsets.UTF_8)).contains("publish: 2.0 KiB of 4.0 KiB (50%), 341 B/s");
    }
}
