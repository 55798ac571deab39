package dev.thaw.bench;

import dev.thaw.bench.Sample.Aftermath;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The part of docs/benchmarks.md that is made of samples, and its charts. What people wrote around it stays. */
final class Report {
    private static final String BEGIN = "<!-- written by e2e/bench/run: begin -->";
    private static final String END = "<!-- written by e2e/bench/run: end -->";
    private static final int MOST_REASON = 160;

    private final List<Sample> samples;
    private final Map<String, Long> layerBytes;
    private final Map<String, String> missing;

    /**
     * @param layerBytes by workload, how large its image is in the registry
     * @param missing systems that did not run, and why
     */
    Report(List<Sample> samples, Map<String, Long> layerBytes, Map<String, String> missing) {
        this.samples = samples;
        this.layerBytes = layerBytes;
        this.missing = missing;
    }

    void write(Path docs) throws IOException {
        var charts = Files.createDirectories(docs.resolve("benchmarks"));
        var text = new StringBuilder(BEGIN + "\n\n");
        text.append(Machine.describe()).append("\n\n");
        for (var link : Link.ALL) {
            var here = samples.stream()
                    .filter(sample -> sample.link().equals(link.id()))
                    .toList();
            if (here.isEmpty()) {
                continue;
            }
            text.append("### ").append(link.name()).append("\n\n");
            Files.writeString(charts.resolve("starts-" + link.id() + ".svg"), bars(link, here));
            text.append("![Time to ENTRYPOINT and to ready](benchmarks/starts-%s.svg)\n\n".formatted(link.id()));
            var lines = density(here);
            if (lines.stream().anyMatch(line -> line.readyByPercent().size() > 2)) {
                Files.writeString(
                        charts.resolve("density-" + link.id() + ".svg"),
                        Chart.lines("1 GB image, " + link.name() + ": time to ready by the share that is read", lines));
                text.append("![Time to ready by the share that is read](benchmarks/density-%s.svg)\n\n"
                        .formatted(link.id()));
            }
            for (var workload : byWorkload(here).entrySet()) {
                text.append(table(link, workload.getKey(), workload.getValue()));
            }
        }
        missing.forEach((system, reason) -> text.append("Not measured: ")
                .append(system)
                .append(", because ")
                .append(reason.lines().findFirst().orElse(""))
                .append("\n\n"));
        put(docs.resolve("benchmarks.md"), text.append(END).toString());
    }

    private static void put(Path file, String part) throws IOException {
        var old = Files.exists(file) ? Files.readString(file) : "# Benchmarks\n\n" + BEGIN + "\n" + END + "\n";
        int begin = old.indexOf(BEGIN);
        int end = old.indexOf(END);
        if (begin < 0 || end < begin) {
            throw new IOException(file + " lacks the lines " + BEGIN + " and " + END);
        }
        Files.writeString(file, old.substring(0, begin) + part + old.substring(end + END.length()));
    }

    private static Map<String, List<Sample>> byWorkload(List<Sample> samples) {
        var groups = new LinkedHashMap<String, List<Sample>>();
        for (var workload : Workload.ALL) {
            var of = samples.stream()
                    .filter(sample -> sample.workload().equals(workload.name()))
                    .toList();
            if (!of.isEmpty()) {
                groups.put(workload.name(), of);
            }
        }
        return groups;
    }

    /** Only samples that succeeded; systems in the order of the benchmark. */
    private static Map<String, List<Sample>> bySystem(List<Sample> samples) {
        var groups = new LinkedHashMap<String, List<Sample>>();
        for (var contender : Bench.CONTENDERS) {
            var of = samples.stream()
                    .filter(sample -> sample.system().equals(contender.name()) && sample.succeeded())
                    .toList();
            if (!of.isEmpty()) {
                groups.put(contender.name(), of);
            }
        }
        return groups;
    }

    private String bars(Link link, List<Sample> here) {
        var groups = new ArrayList<Chart.Group>();
        byWorkload(here).forEach((workload, of) -> {
            var bars = new ArrayList<Chart.Bar>();
            bySystem(of)
                    .forEach((system, its) -> bars.add(new Chart.Bar(
                            system,
                            Figures.of(its, Sample::entrypoint).median(),
                            Figures.of(its, Sample::ready).median())));
            groups.add(new Chart.Group(title(workload), bars));
        });
        return Chart.bars("Cold start, %s: until ENTRYPOINT (dark) and until ready".formatted(link.name()), groups);
    }

    private String title(String workload) {
        return "%s (%s MB)".formatted(workload, Figures.megabytes(layerBytes.getOrDefault(workload, 0L)));
    }

    private static List<Chart.Line> density(List<Sample> here) {
        var points = new LinkedHashMap<String, TreeMap<Integer, Double>>();
        for (var workload : Workload.ALL) {
            if (!workload.image().equals("synthetic-1000")) {
                continue;
            }
            var of = here.stream()
                    .filter(sample -> sample.workload().equals(workload.name()))
                    .toList();
            bySystem(of)
                    .forEach((system, its) -> points.computeIfAbsent(system, _ -> new TreeMap<>())
                            .put(
                                    workload.percentRead().orElseThrow(),
                                    Figures.of(its, Sample::ready).median()));
        }
        return points.entrySet().stream()
                .map(each -> new Chart.Line(each.getKey(), each.getValue()))
                .toList();
    }

    private String table(Link link, String workload, List<Sample> samples) {
        var text = new StringBuilder("#### %s\n\n".formatted(title(workload)));
        text.append("""
                | system | pulled | created | ENTRYPOINT | first output | ready | MB until ready | requests | MB in the end | quiet after | second start | registry cut | daemons' memory MiB | daemons' CPU s | with containerd |
                |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
                """);
        bySystem(samples)
                .forEach((system, its) -> text.append("| %s |\n"
                        .formatted(String.join(
                                " | ",
                                system,
                                Figures.of(its, Sample::pulled).seconds(),
                                Figures.of(its, Sample::created).seconds(),
                                Figures.of(its, Sample::entrypoint).seconds(),
                                Figures.of(its, Sample::firstOutput).seconds(),
                                Figures.of(its, Sample::ready).seconds(),
                                megabytes(its, sample -> sample.atReady().bytes()),
                                Long.toString((long) Figures.of(
                                                its, sample -> sample.atReady().requests())
                                        .median()),
                                aftermath(its)))));
        text.append("\n");
        bound(link, samples).ifPresent(bound -> text.append(bound).append("\n\n"));
        samples.stream()
                .filter(sample -> !sample.succeeded())
                .collect(Collectors.groupingBy(Sample::system, LinkedHashMap::new, Collectors.toList()))
                .forEach((system, failed) -> text.append("%s failed %d times of %d: %s\n\n"
                        .formatted(
                                system,
                                failed.size(),
                                samples.stream()
                                        .filter(sample -> sample.system().equals(system))
                                        .count(),
                                shortened(failed.getFirst().failure()))));
        return text.toString();
    }

    /** The last cells of a row, of those samples that went on to the end. */
    private static String aftermath(List<Sample> samples) {
        var ends = samples.stream()
                .map(Sample::aftermath)
                .filter(Objects::nonNull)
                .map(Objects::requireNonNull)
                .toList();
        if (ends.isEmpty()) {
            return String.join(" | ", Collections.nCopies(7, "–"));
        }
        return String.join(
                " | ",
                Figures.megabytes(Figures.of(ends, end -> end.atQuiet().bytes()).median()),
                Figures.of(ends, Aftermath::quiet).seconds(),
                Figures.of(ends, Aftermath::secondStart).seconds(),
                cut(ends),
                Long.toString((long) Figures.of(ends, Aftermath::residentBytes).median() >> 20),
                Figures.seconds(Figures.of(ends, Aftermath::snapshotterCpu).median()),
                Figures.seconds(Figures.of(ends, Aftermath::nodeCpu).median()));
    }

    private static String shortened(@Nullable String reason) {
        var line = String.valueOf(reason).lines().findFirst().orElse("").replace("|", "\\|");
        return line.length() > MOST_REASON ? line.substring(0, MOST_REASON) + " …" : line;
    }

    private static String megabytes(List<Sample> samples, ToDoubleFunction<Sample> bytes) {
        return Figures.megabytes(Figures.of(samples, bytes).median());
    }

    private static String cut(List<Aftermath> ends) {
        var worked = ends.stream().filter(end -> end.cutStart() != null).toList();
        if (worked.isEmpty()) {
            return "fails";
        }
        var took = Figures.of(worked, end -> Optional.ofNullable(end.cutStart()).orElseThrow());
        return worked.size() == ends.size()
                ? Figures.seconds(took.median())
                : "%s, fails %d of %d"
                        .formatted(Figures.seconds(took.median()), ends.size() - worked.size(), ends.size());
    }

    /**
     * What no start could be faster than: the fewest bytes that any system took, on this line, and the program's own start from a
     * local disk; and how many times that each system needs.
     */
    private static Optional<String> bound(Link link, List<Sample> samples) {
        var systems = bySystem(samples);
        var local = systems.getOrDefault("overlayfs", List.of()).stream()
                .map(Sample::aftermath)
                .filter(Objects::nonNull)
                .map(Objects::requireNonNull)
                .toList();
        if (local.isEmpty()) {
            return Optional.empty();
        }
        long needed = systems.values().stream()
                .mapToLong(its -> (long)
                        Figures.of(its, sample -> sample.atReady().bytes()).median())
                .min()
                .orElseThrow();
        double transfer = link.timeFor(needed).toNanos() / 1e9;
        double own = Figures.of(local, Aftermath::secondStart).median();
        var times = systems.entrySet().stream()
                .map(each -> "%s %s"
                        .formatted(
                                each.getKey(),
                                Figures.seconds(Figures.of(each.getValue(), Sample::ready)
                                                .median()
                                        / (transfer + own))))
                .collect(Collectors.joining(", "));
        return Optional.of(
                "The fewest bytes until ready ÷ bandwidth: %s s; start from a local disk: %s s; together %s s. Ready takes so many times that: %s."
                        .formatted(
                                Figures.seconds(transfer),
                                Figures.seconds(own),
                                Figures.seconds(transfer + own),
                                times));
    }
}
