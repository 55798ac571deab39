package dev.thaw.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/** What was measured of reads, as tables and in a sentence. Ratios are of speed, and medians over pairs of measurements. */
final class ReadsReport {
    private static final String BEGIN = "<!-- written by e2e/bench/reads: begin -->\n";
    private static final String END = "<!-- written by e2e/bench/reads: end -->";
    private static final double LINK_TARGET = 0.9;

    private final String mode;
    private final List<Cold> cold = new ArrayList<>();
    private final List<Warm> warm = new ArrayList<>();

    /** @param mode of the conversion */
    ReadsReport(String mode) {
        this.mode = mode;
    }

    /**
     * @param wanted bytes of a file that was read from end to end; else, how many pages were read
     * @param plain seconds of a download of as much; of a file
     */
    private record Cold(Link line, Reading reading, long wanted, double seconds, double plain, Traffic traffic) {
        double shareOfLink() {
            return line.timeFor(wanted).toNanos() / 1e9 / seconds;
        }

        double shareOfDownload() {
            return plain / seconds;
        }
    }

    private record Warm(Reading reading, boolean dropped, double overlayfs, double agent, double detached) {}

    /** A judged figure. */
    private record Figure(String name, double ratio, double target) {
        boolean isReached() {
            return ratio >= target;
        }
    }

    void cold(Link line, Reading reading, long wanted, double seconds, double plain, Traffic traffic) {
        cold.add(new Cold(line, reading, wanted, seconds, plain, traffic));
    }

    void warm(Reading reading, boolean dropped, double overlayfs, double agent, double detached) {
        warm.add(new Warm(reading, dropped, overlayfs, agent, detached));
    }

    String tables() throws IOException {
        var text = new StringBuilder();
        text.append(Machine.describe()).append(" Thaw ").append(mode).append(".\n\n");
        text.append(
                "| what is in the registry alone | line | share of the line | speed of a plain download | each read | fetched for it |\n");
        text.append("|---|---|---|---|---|---|\n");
        for (var line : Link.ALL) {
            for (var reading : Reading.values()) {
                var samples = samples(line, reading);
                if (!samples.isEmpty()) {
                    text.append(coldRow(line, reading, samples));
                }
            }
        }
        if (warm.isEmpty()) {
            return text.toString();
        }
        text.append("\n| what is on the disk | page cache | overlayfs | through the agent | detached |\n");
        text.append("|---|---|---|---|---|\n");
        for (var reading : Reading.values()) {
            for (boolean dropped : new boolean[] {false, true}) {
                text.append(warmRow(reading, dropped));
            }
        }
        return text.toString();
    }

    private List<Cold> samples(Link line, Reading reading) {
        return cold.stream()
                .filter(sample -> sample.line().equals(line) && sample.reading() == reading)
                .toList();
    }

    private static String coldRow(Link line, Reading reading, List<Cold> samples) {
        boolean whole = reading == Reading.SEQUENTIAL;
        return "| %s | %s | %s | %s | %s | %s |\n"
                .formatted(
                        reading.description(),
                        line.name(),
                        whole ? number("%.2f", median(samples, Cold::shareOfLink)) : "",
                        whole ? number("%.2f times", median(samples, Cold::shareOfDownload)) : "",
                        whole ? "" : number("%.1f ms", median(samples, s -> s.seconds() / s.wanted() * 1e3)),
                        whole
                                ? number(
                                        "%.2f times the file",
                                        median(samples, s -> s.traffic().bytes() / (double) s.wanted()))
                                : number(
                                        "%.2f MB",
                                        median(samples, s -> s.traffic().bytes() / 1e6 / s.wanted())));
    }

    private String warmRow(Reading reading, boolean dropped) {
        var samples = warm.stream()
                .filter(sample -> sample.reading() == reading && sample.dropped() == dropped)
                .toList();
        return "| %s | %s | %s | %s | %s |\n"
                .formatted(
                        reading.description(),
                        dropped ? "dropped" : "warm",
                        number("%.1f ms", median(samples, s -> s.overlayfs() * 1e3)),
                        number("%.2f", median(samples, s -> s.overlayfs() / s.agent())),
                        number("%.2f", median(samples, s -> s.overlayfs() / s.detached())));
    }

    private List<Figure> figures() {
        var figures = new ArrayList<Figure>();
        for (var line : Link.ALL) {
            var samples = samples(line, Reading.SEQUENTIAL);
            figures.add(new Figure(
                    "sequential over %s beside a plain download".formatted(line.name()),
                    median(samples, Cold::shareOfDownload),
                    LINK_TARGET));
        }
        for (var reading : Reading.values()) {
            var samples = warm.stream()
                    .filter(sample -> sample.reading() == reading && !sample.dropped())
                    .toList();
            if (!samples.isEmpty()) {
                var name = reading.name().toLowerCase(Locale.ROOT);
                figures.add(new Figure(
                        name + " through the agent",
                        median(samples, s -> s.overlayfs() / s.agent()),
                        reading.target()));
                figures.add(new Figure(
                        name + " detached", median(samples, s -> s.overlayfs() / s.detached()), reading.target()));
            }
        }
        return figures;
    }

    /** Which figures are missed, if any. */
    String verdict() {
        var figures = figures();
        var missed = figures.stream()
                .filter(figure -> !figure.isReached())
                .map(figure -> String.format(
                        Locale.ROOT, "%s is %.2f and should be %.2f", figure.name(), figure.ratio(), figure.target()))
                .collect(Collectors.joining("; "));
        return missed.isEmpty()
                ? "reads: all %d figures are reached".formatted(figures.size())
                : "reads: missed: " + missed;
    }

    /** Replaces what the last run wrote. */
    void writeInto(Path file) throws IOException {
        var text = Files.readString(file);
        int begin = text.indexOf(BEGIN);
        int end = text.indexOf(END);
        if (begin < 0 || end < begin) {
            throw new IOException(file + " has no place for these tables: " + BEGIN.strip() + " … " + END);
        }
        Files.writeString(file, text.substring(0, begin + BEGIN.length()) + tables() + text.substring(end));
    }

    private static <T> double median(List<T> samples, ToDoubleFunction<T> figure) {
        var sorted = samples.stream().mapToDouble(figure).sorted().toArray();
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    private static String number(String form, double value) {
        return String.format(Locale.ROOT, form, value);
    }
}
