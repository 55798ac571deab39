package dev.thaw.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class JudgementTest {
    private static final long IMAGE_BYTES = 200_000_000;

    @TempDir
    private Path layouts;

    private Judgement judgement;

    @BeforeEach
    void answers() throws IOException {
        Files.writeString(Files.createDirectories(layouts.resolve("http")).resolve("answer"), "right\n");
        judgement = new Judgement(layouts, Map.of("http", IMAGE_BYTES));
    }

    private static Sample sample(
            String system, String answer, long bytesAtEntrypoint, long bytesAtReady, @Nullable Double cut) {
        return new Sample(
                system,
                "http",
                "1000M",
                1,
                null,
                1,
                2,
                3,
                4,
                5,
                new Traffic(1, bytesAtEntrypoint),
                new Traffic(2, bytesAtReady),
                answer,
                new Sample.Aftermath(
                        6, new Traffic(3, IMAGE_BYTES), 1, 1, 1, 1, cut, cut == null ? "no answer" : null));
    }

    @Test
    void findsNothingWrongWithGoodSamples() throws IOException {
        var good = List.of(
                sample("overlayfs", "right", IMAGE_BYTES, IMAGE_BYTES, 1.0),
                sample("Thaw Convert", "right", 1_000_000, 9_000_000, 1.0));
        assertEquals(List.of(), judgement.faults(good));
    }

    @Test
    void namesAnAnswerThatIsWrongWhoeverGivesIt() throws IOException {
        var faults = judgement.faults(List.of(sample("stargz", "wrong", 1, 1, 1.0)));
        assertEquals(List.of("stargz, http, 1000M: read wrong, not right"), faults);
    }

    @Test
    void doesNotBelieveADownloadThatIsSmallerThanTheLayers() throws IOException {
        assertEquals(
                1,
                judgement
                        .faults(List.of(sample("overlayfs", "right", 0, IMAGE_BYTES / 2, 1.0)))
                        .size());
    }

    @Test
    void holdsThawToBeingLazyAndToStartingWithoutTheRegistry() throws IOException {
        assertEquals(
                1,
                judgement
                        .faults(List.of(sample("Thaw Convert", "right", IMAGE_BYTES, IMAGE_BYTES, 1.0)))
                        .size());
        var cut = judgement.faults(List.of(sample("Thaw Convert", "right", 1, 1, null)));
        assertTrue(cut.getFirst().endsWith("did not start again without the registry: no answer"), cut.toString());
    }

    @Test
    void takesAPeersFailureForAResultAndOursForAFault() throws IOException {
        assertEquals(List.of(), judgement.faults(List.of(Sample.failed("SOCI", "http", "1000M", 1, "no"))));
        assertEquals(
                List.of("Thaw Index, http, 1000M: no"),
                judgement.faults(List.of(Sample.failed("Thaw Index", "http", "1000M", 1, "no"))));
    }
}
