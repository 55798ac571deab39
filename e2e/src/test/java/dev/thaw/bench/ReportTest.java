package dev.thaw.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ReportTest {
    @TempDir
    private Path docs;

    private static Sample sample(String system, String workload, int run, double ready) {
        var traffic = new Traffic(10, 5_000_000);
        return new Sample(
                system,
                workload,
                "1000M",
                run,
                null,
                0.1,
                0.2,
                0.3,
                0.4,
                ready,
                traffic,
                traffic,
                "a",
                run == 1 ? new Sample.Aftermath(6, traffic, 100 << 20, 1, 2, 0.96, null, "cut off") : null);
    }

    private Report report() {
        var samples = new ArrayList<Sample>();
        for (int percent : List.of(1, 25, 100)) {
            for (int run = 1; run <= 3; run++) {
                samples.add(sample("overlayfs", "synthetic-1000-" + percent, run, 10 + run));
                samples.add(sample("Thaw Convert", "synthetic-1000-" + percent, run, run));
            }
        }
        samples.add(Sample.failed("Thaw Convert", "synthetic-1000-1", "1000M", 4, "it | broke"));
        return new Report(samples, Map.of("synthetic-1000-1", 1_000_000_000L), Map.of("SOCI", "it is not installed"));
    }

    @Test
    void keepsWhatPeopleWroteAroundIt() throws IOException {
        report().write(docs);
        var file = docs.resolve("benchmarks.md");
        Files.writeString(
                file, Files.readString(file).replace("# Benchmarks\n", "# Benchmarks\n\nBefore.\n") + "After.\n");

        report().write(docs);

        var text = Files.readString(file);
        assertTrue(text.startsWith("# Benchmarks\n\nBefore.\n"), text);
        assertTrue(text.endsWith("After.\n"), text);
    }

    @Test
    void tellsMediansFailuresAndWhatIsMissing() throws IOException {
        report().write(docs);

        var text = Files.readString(docs.resolve("benchmarks.md"));
        assertTrue(
                text.contains(
                        "| Thaw Convert | 0.10 (0.10) | 0.20 (0.20) | 0.30 (0.30) | 0.40 (0.40) | 2.00 (3.00) | 5.0 | 10 | 5.0 | 6.00 (6.00) | 0.96 (0.96) | fails | 100 | 1.00 | 2.00 |"),
                text);
        // 5 MB at 1 Gbit/s, and overlayfs' second start
        assertTrue(
                text.contains("together 1.00 s. Ready takes so many times that: overlayfs 12.00, Thaw Convert 2.00."),
                text);
        assertTrue(text.contains("Thaw Convert failed 1 times of 4: it \\| broke"), text);
        assertTrue(text.contains("Not measured: SOCI, because it is not installed"), text);
    }

    @Test
    void drawsALineForEachSystem() throws IOException {
        report().write(docs);

        var chart = Files.readString(docs.resolve("benchmarks/density-1000M.svg"));
        assertEquals(
                2, chart.lines().filter(line -> line.startsWith("<polyline")).count());
    }

    @Test
    void refusesAFileThatHasNoPlaceForIt() throws IOException {
        Files.writeString(docs.resolve("benchmarks.md"), "# Something else\n");
        assertThrows(IOException.class, () -> report().write(docs));
    }
}
