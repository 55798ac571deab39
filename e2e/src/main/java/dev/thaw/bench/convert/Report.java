package dev.thaw.bench.convert;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** What a benchmark found, as a table of Markdown that is also good to read on a terminal. */
record Report(SampleLayer layer, List<Contestant> contestants, int rounds) {
    private static final String BEGIN = "<!-- written by e2e/bench/convert -->";
    private static final String END = "<!-- end of what e2e/bench/convert writes -->";

    Report {
        contestants = List.copyOf(contestants);
    }

    String text() {
        var rows = contestants.stream()
                .map(contestant -> "| %-42s | %6.2f | %6.2f | %6.0f | %6.0f |"
                        .formatted(
                                contestant.name(),
                                contestant.seconds(),
                                contestant.processorSeconds(),
                                contestant.mebibytesPerSecond(),
                                contestant.peakMebibytes()))
                .collect(Collectors.joining("\n"));
        return """
            One layer of %,d files and %d MiB, %d MiB gzipped; medians of %d rounds, the programs in turn.

            | program                                    |      s |  CPU s |  MiB/s | peak MiB |
            | ------------------------------------------ | -----: | -----: | -----: | -----: |
            %s

            On %s.
            """.formatted(layer.files(), layer.tarBytes() >> 20, layer.gzipBytes() >> 20, rounds, rows, machine());
    }

    /** Puts reports where the last ones stand, or at the end. */
    static void writeInto(Path markdown, List<String> reports) throws IOException {
        var old = Files.exists(markdown) ? Files.readString(markdown) : "";
        var section = BEGIN + "\n\n" + String.join("\n\n", reports) + "\n\n" + END;
        var from = old.indexOf(BEGIN);
        var to = old.indexOf(END);
        Files.writeString(
                markdown,
                from < 0 || to < from
                        ? old + "\n" + section + "\n"
                        : old.substring(0, from) + section + old.substring(to + END.length()));
    }

    private static String machine() {
        var processors = Runtime.getRuntime().availableProcessors();
        return "%d processor%s (%s), %d GiB, Linux %s, Java %s, load average %s"
                .formatted(
                        processors,
                        processors == 1 ? "" : "s",
                        proc("cpuinfo", "model name", System.getProperty("os.arch")),
                        Long.parseLong(proc("meminfo", "MemTotal", "0 kB").replaceAll("[^0-9]", "")) >> 20,
                        System.getProperty("os.version").replaceFirst("-.*", ""),
                        Runtime.version().feature(),
                        load());
    }

    private static String load() {
        try {
            return Files.readString(Path.of("/proc/loadavg")).split(" ")[0];
        } catch (IOException e) {
            return "unknown";
        }
    }

    private static String proc(String file, String key, String otherwise) {
        try (var lines = Files.lines(Path.of("/proc", file))) {
            return lines.filter(line -> line.toLowerCase(Locale.ROOT).startsWith(key.toLowerCase(Locale.ROOT)))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse(otherwise);
        } catch (IOException e) {
            return otherwise;
        }
    }
}
