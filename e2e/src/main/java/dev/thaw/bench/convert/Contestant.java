package dev.thaw.bench.convert;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/** A program that is measured, and its runs so far. */
final class Contestant {
    /** Does the work once, from nothing to the end. */
    interface Work {
        Run run(int round) throws IOException, InterruptedException;
    }

    private final String name;
    private final long bytes;
    private final Work work;
    private final List<Run> runs = new ArrayList<>();

    /** @param bytes what it works through in a run: uncompressed, whatever it reads */
    Contestant(String name, long bytes, Work work) {
        this.name = name;
        this.bytes = bytes;
        this.work = work;
    }

    String name() {
        return name;
    }

    void run(int round) throws IOException, InterruptedException {
        runs.add(work.run(round));
    }

    /** What the last run said. */
    String lastText() {
        var run = runs.getLast();
        return "%s %.2f s, %.2f s of processors, at most %d MiB"
                .formatted(name, run.time().toNanos() / 1e9, run.processor().toNanos() / 1e9, run.peakBytes() >> 20);
    }

    /** Forgets what was measured: the first round warms caches. */
    void forget() {
        runs.clear();
    }

    double seconds() {
        return median(run -> run.time().toNanos()) / 1e9;
    }

    double processorSeconds() {
        return median(run -> run.processor().toNanos()) / 1e9;
    }

    double mebibytesPerSecond() {
        return bytes / seconds() / (1 << 20);
    }

    /** Throughput by throughput; the median of the rounds, in each of which both had about the same machine. */
    double timesAsFastAs(Contestant other) {
        return ratio(other, Run::time);
    }

    /** The same by the processors' time, which hardly depends on what else the machine does. */
    double timesAsThriftyAs(Contestant other) {
        return ratio(other, Run::processor);
    }

    private double ratio(Contestant other, Function<Run, Duration> figure) {
        var ratios = new double[runs.size()];
        for (var i = 0; i < ratios.length; i++) {
            ratios[i] = (double) figure.apply(other.runs.get(i)).toNanos()
                    / figure.apply(runs.get(i)).toNanos()
                    * bytes
                    / other.bytes;
        }
        return median(ratios);
    }

    /** The highest of all runs. */
    double peakMebibytes() {
        return runs.stream().mapToLong(Run::peakBytes).max().orElse(0) / (double) (1 << 20);
    }

    private double median(ToDoubleFunction<Run> figure) {
        return median(runs.stream().mapToDouble(figure).toArray());
    }

    private static double median(double[] values) {
        var sorted = DoubleStream.of(values).sorted().toArray();
        var middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
